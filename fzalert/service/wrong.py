"""A wrong call in our words: which field, what is wrong; never the value, which may be personal."""

from __future__ import annotations

from pydantic import ValidationError

from fzalert.errors import InputError


def wrong_call(error: ValidationError) -> InputError:
    """Make the error that a caller gets for a request that does not hold."""
    faults = error.errors(include_input=False, include_url=False, include_context=False)
    first = faults[0]
    field = str(first["loc"][0]) if first["loc"] else ""
    said = "; ".join(
        f"{'.'.join(str(step)[:40] for step in fault['loc'])}: {fault['msg']}"
        for fault in faults[:3]
    )
    return InputError(f"{said}.", hint="Mend the call.", field=field)
