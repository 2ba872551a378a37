"""What of an event may be written: by type first, by the name of its key, then through the net."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, MutableMapping
from typing import Any

from pydantic import BaseModel, SecretBytes, SecretStr

from fzalert.cli.logs.net import HIDDEN, Net, is_secret_key
from fzalert.messages import Target, mask_digits

__all__ = ["Redaction", "secrets_in"]

DEEPEST = 12
WIDEST = 200
_OURS = frozenset({"timestamp", "level", "logger", "_record", "_from_structlog"})
"""Keys whose values the log itself makes; the last two never reach a line."""
_IDS = frozenset({"warning", "campaign"})
"""Keys under which our own ids stand, which are as long as a card's number."""
_ID_FROM, _LONG_FROM = 10**15, 10**10

Plain = str | int | float | bool | None | list[Any] | dict[str, Any]


class Redaction:
    """Masks events; a processor of structlog.

    Args:
        known: Secrets that this process holds.
    """

    def __init__(self, known: Collection[str] = ()) -> None:
        self._net = Net(known)

    def __call__(
        self, logger: object, method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """Mask one event in place."""
        del logger, method
        for key in [*event]:
            if key in _OURS:
                continue
            value = self._named(key, event.pop(key))
            event[key if key == "event" else self.text(key)] = value
        return event

    def text(self, text: str) -> str:
        """A plain text as it may be written."""
        return self._net.clean(text)

    def value(self, value: object) -> Plain:
        """Any value as it may be written; what comes back is JSON."""
        return self._value(value, DEEPEST)

    def _named(self, key: str, value: object, depth: int = DEEPEST) -> Plain:
        if value is None or isinstance(value, bool):
            return value
        if is_secret_key(key):
            return HIDDEN
        if key in _IDS and _is_our_id(value):
            return str(value)
        return self._value(value, depth)

    def _value(self, value: object, depth: int) -> Plain:
        match value:
            case None | bool():
                return value
            case enum.Enum():
                return self._value(value.value, depth)
            case str():
                return self.text(str(value))
            case int() | float():
                return _number(value)
            case Target():
                return str(value)
            case SecretStr() | SecretBytes():
                return HIDDEN
            case bytes() | bytearray() | memoryview():  # may be a text in any coding
                return f"<{len(value)} bytes>"
            case BaseException():
                return self.text(f"{type(value).__name__}: {_words(value)}")
            case type():
                return value.__qualname__
            case _:
                return self._whole(value, depth - 1)

    def _whole(self, value: object, depth: int) -> Plain:
        """A container, or an object that is none."""
        if hasattr(value, "get_secret_value"):
            return HIDDEN
        fields = _fields(value)
        if depth <= 0 and (fields is not None or isinstance(value, Iterable)):
            return HIDDEN
        if fields is not None:
            kept = [*fields][:WIDEST]
            return {self._key(name): self._named(str(name), one, depth) for name, one in kept}
        if isinstance(value, list | tuple | set | frozenset):
            found = [self._value(one, depth) for one in [*value][:WIDEST]]
            return [*found, f"{len(value) - WIDEST} more"] if len(value) > WIDEST else found
        return self.text(_words(value))

    def _key(self, name: object) -> str:
        return self.text(name) if isinstance(name, str) else str(self._value(name, 1))


def _fields(value: object) -> Iterable[tuple[object, object]] | None:
    """Names and values of what has names; None for everything else."""
    if isinstance(value, Mapping):
        return value.items()
    if isinstance(value, BaseModel):
        return [*value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [
            (field.name, getattr(value, field.name, HIDDEN)) for field in dataclasses.fields(value)
        ]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return zip(value._fields, value, strict=False)
    return None


def _is_our_id(value: object) -> bool:
    if isinstance(value, str):
        return value.isascii() and value.isdigit() and int(value) >= _ID_FROM
    return isinstance(value, int) and value >= _ID_FROM


def _number(value: float) -> str | int | float:
    """A number; one with as many digits as a mobile is masked, and JSON knows no infinity."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if abs(value) >= _LONG_FROM:
        return mask_digits(str(int(value)))
    return value


def _words(value: object) -> str:
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001  a foreign object's own code, of any kind
        return f"<{type(value).__name__}, which raises {type(error).__name__}>"


def secrets_in(value: object, depth: int = DEEPEST) -> frozenset[str]:
    """Every resolved secret within settings, so that a log can hide it wherever it stands."""
    return frozenset(_secrets(value, depth))


def _secrets(value: object, depth: int) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
        return
    if depth <= 0 or isinstance(value, str | bytes | type):
        return
    fields = _fields(value)
    if fields is not None:
        for _, one in fields:
            yield from _secrets(one, depth - 1)
    elif isinstance(value, list | tuple | set | frozenset):
        for one in value:
            yield from _secrets(one, depth - 1)
