"""One spelling for every event: RFC 8785 canonical JSON over NFC text, without floats.

Money is in fen, times are texts, and an integer beyond 2**53 (a message's id) is written as text:
RFC 8785 counts in doubles, and a number that two programs read differently proves nothing.

Source: RFC 8785; RFC 7493, 2.2; Unicode Standard Annex 15 (NFC).
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from fzalert.errors import InputError

__all__ = ["Json", "canonical", "loads", "parse"]

Json: TypeAlias = "bool | int | str | Sequence[Json] | Mapping[str, Json] | None"
"""What an event may be made of."""

_LARGEST = 2**53 - 1
_DEEPEST = 32
_Plain: TypeAlias = "bool | int | str | list[_Plain] | dict[str, _Plain] | None"
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def canonical(value: Json) -> bytes:
    """Spell a value in the one way that everybody spells it.

    Object members stand in the order of their names as UTF-16 code units; text is brought to NFC.

    Raises:
        InputError: A float, bytes, an integer beyond 2**53 - 1, a lone surrogate, two names that
            are one after NFC, or more than 32 levels. The text names the place, not the value.
    """
    return _ENCODER.encode(_plain(value, "$", 0)).encode("utf-8")


def loads(text: bytes) -> Json:
    """Read JSON as strictly as `canonical` writes it, in any spelling.

    Raises:
        InputError: Not UTF-8, not JSON, a float, a repeated name, or anything else that
            `canonical` would refuse.
    """
    try:
        value: Json = json.loads(
            text.decode("utf-8"),
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
            object_pairs_hook=_members,
        )
    except (UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"The event is no JSON: {type(error).__name__}.") from None
    except json.JSONDecodeError as error:
        raise InputError(f"The event is no JSON: {error.msg} at {error.pos}.") from None
    except ValueError as error:  # an integer of more digits than Python converts
        if isinstance(error, InputError):
            raise
        raise InputError("The event holds a number that is too long.") from None
    _plain(value, "$", 0)
    return value


def parse(text: bytes) -> Json:
    """Read what `canonical` wrote, and nothing else.

    Raises:
        InputError: As `loads`, or the same value is spelled differently.
    """
    value = loads(text)
    if canonical(value) != text:
        raise InputError("The event is JSON, but not in its canonical spelling.")
    return value


def _plain(value: object, place: str, depth: int) -> _Plain:
    if depth > _DEEPEST:
        raise InputError(f"{place} lies more than {_DEEPEST} levels deep.")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value, place)
    if isinstance(value, int):
        if abs(value) > _LARGEST:
            raise InputError(f"{place} is an integer beyond 2**53 - 1.", hint="Write it as text.")
        return int(value)
    if isinstance(value, Mapping):
        return _object(value, place, depth)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return [_plain(item, f"{place}[{at}]", depth + 1) for at, item in enumerate(value)]
    raise InputError(
        f"{place} is a {type(value).__name__}, which has no single spelling.",
        hint="Use text, whole numbers, true, false, null, lists and objects.",
    )


def _object(value: Mapping[object, object], place: str, depth: int) -> dict[str, _Plain]:
    members: dict[str, _Plain] = {}
    for name, item in value.items():
        if not isinstance(name, str):
            raise InputError(f"A name in {place} is a {type(name).__name__}, not a text.")
        key = _text(name, f"a name in {place}")
        if key in members:
            raise InputError(f"Two names in {place} are the same text.")
        members[key] = _plain(item, f"{place}.{key}", depth + 1)
    return dict(sorted(members.items(), key=_utf16))


def _utf16(member: tuple[str, _Plain]) -> bytes:
    return member[0].encode("utf-16-be")


def _text(value: str, place: str) -> str:
    text = unicodedata.normalize("NFC", value)
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        raise InputError(f"{place} holds half a character.")
    return text


def _refuse_number(text: str) -> Json:
    del text
    raise InputError("The event holds a number with a point, an exponent, NaN or infinity.")


def _members(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise InputError("A name stands twice in one object.")
    return members
