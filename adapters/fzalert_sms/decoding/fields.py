"""What the explanations of all protocols share: fields by name, masks, texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from fzalert.messages import mask_digits
from fzalert_sms.wire import Tlv, divide

Value = int | str | list["Value"] | dict[str, "Value"]
Fields = dict[str, Value]

_NUMBERS: Final = frozenset(
    {
        "dest_terminal_id", "src_terminal_id", "fee_terminal_id", "user_number", "charge_number",
        "dest_term_id", "src_term_id", "charge_term_id", "source_addr", "destination_addr",
    }
)  # fmt: skip
"""Fields that may hold a person's number."""
_CODECS: Final = {0: "ascii", 3: "latin-1", 8: "utf-16-be", 15: "gb18030", 24: "utf-16-be"}


class Found(NamedTuple):
    """What one protocol says of a frame; see `Explained`."""

    pdu: str
    fields: Fields
    problem: str = ""
    warning: str = ""


def mask_fields(fields: Mapping[str, Value]) -> Fields:
    """Hide the middle of persons' numbers, within a report too."""
    return {name: _masked(name, value) for name, value in fields.items()}


def _masked(name: str, value: Value) -> Value:
    if isinstance(value, dict):
        return {inner: _masked(inner, each) for inner, each in value.items()}
    if name not in _NUMBERS:
        return value
    if isinstance(value, list):
        return [_masked(name, each) for each in value]
    return mask_digits(value) if isinstance(value, str) else value


def text_fields(content: bytes, coding: int, *, has_header: bool) -> Fields:
    """The words of a text, where its coding is known."""
    octets = divide(content)[1] if has_header else content
    codec = _CODECS.get(coding)
    if codec is None:
        return {}
    return {"text": octets.decode(codec, errors="replace")}


def tlv_fields(tlvs: Iterable[Tlv], names: Mapping[int, str]) -> dict[str, Value]:
    """Optional fields by tag and name."""
    return {f"{tag:#06x} {names.get(tag, 'unknown')}": value.hex() for tag, value in tlvs}
