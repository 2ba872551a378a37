"""An instruction that came on paper, as it is typed in: the code on it, and what it says.

The code is `application_id|hash`, the first 16 hex digits of the package's SHA-256. When the
package itself comes over the line later, the hash shows that both are the same object.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from pydantic import ValidationError

from fzalert.errors import InputError
from fzalert.freeze.package import MESSAGE_CODES, InstructionKind, Package
from fzalert.freeze.policy import load_policy

__all__ = ["read_code", "typed_package"]

_CODE = re.compile(r"([0-9A-Za-z_.:\-]{1,36})\|([0-9a-fA-F]{16})")
_FIELDS = {
    "account.number": "number",
    "account.name": "name",
    "inflow.0.amount": "amount",
    "inflow.0.at": "at",
    "inflow.0.from_account": "from_account",
    "measure.amount": "amount",
    "measure.end_at": "end",
}


def read_code(text: str) -> tuple[str, str]:
    """Read the code of a paper: application id, and the hash's first 16 digits.

    Raises:
        InputError: It is none.
    """
    found = _CODE.fullmatch(text.strip().replace("｜", "|"))
    if found is None:
        raise InputError(
            "The code is the application id, a bar, and 16 hex digits.",
            hint="Scan the square code, or type the line under it.",
            field="code",
        )
    return found[1], found[2].lower()


def typed_package(
    application_id: str,
    form: Mapping[str, str],
    *,
    sender: str,
    institution: str,
    now: datetime,
    at: datetime | None,
    end: datetime | None,
) -> Package:
    """Make a package of what was typed from a paper.

    Args:
        application_id: From the code.
        form: kind, number, name, amount, from_account.
        sender: Name of the unit, from our own book.
        institution: Our own code.
        now: The present.
        at: When the money was transferred.
        end: Until when a freeze is to last.

    Raises:
        InputError: A field is missing or malformed; the text names it.
    """
    kind = form.get("kind", "")
    if kind not in set(InstructionKind):
        raise InputError("Choose what the paper asks for.", field="kind")
    if at is None:
        raise InputError("The time of the transfer is missing.", field="at")
    policy = load_policy()
    freezing = kind in {InstructionKind.FREEZE, InstructionKind.RENEW}
    stopping = kind in {InstructionKind.STOP, InstructionKind.EXTEND}
    is_bank = re.fullmatch(r"[0-9]{12}", institution) is not None
    amount = form.get("amount", "").replace(",", "").replace("，", "").strip()
    measure: dict[str, object] = {"kind": kind}
    if stopping:
        measure |= {"stop_number": 1, "duration_hours": policy.limit("stop_hours")}
    if freezing:
        measure |= {"mode": "01", "amount": amount, "start_at": now, "end_at": end}
    value = {
        "document": "instruction",
        "application_id": application_id,
        "message_code": MESSAGE_CODES.get("release_stop" if kind == "release" else kind, ""),
        "created_at": now,
        "policy": f"{policy.name} {policy.version}",
        "sender": {"unit_name": sender, "unit_code": "0" * 12, "duty_phone": "-"},
        "case": {"report_number": "-", "report_at": at, "kind": "-"},
        "account": {
            "kind": "card" if is_bank else "payment",
            "number": re.sub(r"[\s\-]", "", form.get("number", "")),
            "name": form.get("name", "").strip(),
            "bank_code": institution if is_bank else "",
            "institution": "" if is_bank else institution,
        },
        "inflow": [
            {
                "from_account": re.sub(r"\s", "", form.get("from_account", "")) or "-",
                "amount": amount,
                "at": at,
            }
        ],
        "measure": measure,
        "officers": [],
    }
    try:
        return Package.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        field = _FIELDS.get(place, place)
        raise InputError(f"{field}: {first['msg']}.", field=field) from None
