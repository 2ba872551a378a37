"""What may be asked about keys and about how long cases are kept, and what is answered."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

__all__ = [
    "CustodyAnswer",
    "CustodyAsk",
    "DataKeyView",
    "ExpiringAsk",
    "ExpiringView",
    "HoldAsk",
    "KeysAsk",
    "KeysView",
    "RotateAsk",
    "read_custody_ask",
]

_Case = Annotated[str, Field(min_length=1, max_length=60)]


class _Ask(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class KeysAsk(_Ask):
    """Which keys there are, and what still needs an old one."""

    action: Literal["keys"] = "keys"


class RotateAsk(_Ask):
    """Take another master key and another data key, and seal everything anew."""

    action: Literal["rotate"] = "rotate"


class ExpiringAsk(_Ask):
    """Which cases' time is over, or will be within some days; nothing is done."""

    action: Literal["expiring"] = "expiring"
    days: Annotated[int, Field(ge=0, le=36500)] = 0


class HoldAsk(_Ask):
    """Keep a case beyond its time, or, with `lift`, no longer."""

    action: Literal["hold"] = "hold"
    case: _Case
    reason: Annotated[str, Field(min_length=1, max_length=300, repr=False)]
    lift: bool = False


CustodyAsk: TypeAlias = KeysAsk | RotateAsk | ExpiringAsk | HoldAsk
_ASK: TypeAdapter[CustodyAsk] = TypeAdapter(
    Annotated[CustodyAsk, Field(discriminator="action")],
    config=ConfigDict(hide_input_in_errors=True),
)


def read_custody_ask(value: object) -> CustodyAsk:
    """Read an ask. Raises pydantic's `ValidationError`."""
    return _ASK.validate_python(value)


class DataKeyView(BaseModel):
    """One data key.

    Attributes:
        id: Its number.
        state: active, old, destroyed; or index, the key of the blind index.
        created_at: When it was made.
        values: How many stored values it has sealed.
    """

    id: int
    state: str
    created_at: str
    values: int = 0


class KeysView(BaseModel):
    """The keys of the store.

    Attributes:
        master: The present master key's name: eight digits that give nothing of it away.
        kept_in: `file`, or `reference` where the configuration names it.
        former: Files of former master keys; the store needs none of them.
        keys: The data keys.
        waiting: How many stored values an old data key has sealed.
        problem: Why sealing anew stands still, or empty.
    """

    master: str
    kept_in: Literal["file", "reference"]
    former: list[str] = []
    keys: list[DataKeyView] = []
    waiting: int = 0
    problem: str = ""


class ExpiringView(BaseModel):
    """A case whose time is over, or soon will be.

    Attributes:
        case: Its id.
        closed_at: Since when nothing of it is open.
        keep_until: When its key is destroyed.
        held: Whether it is kept beyond that.
        due: Whether that time has come.
    """

    case: str
    closed_at: str
    keep_until: str
    held: bool
    due: bool


class CustodyAnswer(BaseModel):
    """What is answered."""

    keys: KeysView | None = None
    cases: list[ExpiringView] = []
    note: str = ""
