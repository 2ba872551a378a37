"""What went wrong, in words that may be logged: never a value, which may be personal or secret."""

from __future__ import annotations

import traceback
from pathlib import PurePath

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


def where(error: BaseException) -> str:
    """Where an error was raised, as file:line. A whole traceback may show tokens and numbers."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
