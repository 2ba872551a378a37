"""Who is warned: targets with a safe repr, lanes, ids, and the decision to warn."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NewType

from typing_extensions import override

from fzalert.errors import InputError
from fzalert.messages.phones import mask_digits, normalise_mobile

MessageId = NewType("MessageId", int)
"""A 64-bit, time-ordered id of one rendition to one target."""
WarningId = NewType("WarningId", int)
"""A 64-bit, time-ordered id of one decision to warn."""
ActorId = NewType("ActorId", str)
"""The id of an actor that `fzalert.access` issued; store and evidence keep only this."""


class Lane(enum.StrEnum):
    """The two ways through the engine: urgent overtakes bulk everywhere."""

    URGENT = "urgent"
    BULK = "bulk"


class TargetKind(enum.StrEnum):
    """What stands at the far end."""

    PHONE = "phone"
    DISPLAY = "display"
    SPEAKER = "speaker"
    COUNTER = "counter"
    MAILBOX = "mailbox"
    GROUP = "group"
    BANK_DESK = "bank_desk"


_PERSONAL = frozenset({TargetKind.PHONE, TargetKind.MAILBOX})
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}")
_MAILBOX = re.compile(r"[^@\s\x00-\x1f<>\",;]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.\-]{0,252})")


@dataclass(frozen=True, slots=True, repr=False)
class Target:
    """One addressee. `repr` and `str` never show a full phone number or mailbox.

    Attributes:
        kind: What stands at the far end.
        address: The plain address, for the store (encrypted) and the adapter (the wire) only.
    """

    kind: TargetKind
    address: str

    @property
    def is_personal(self) -> bool:
        """Whether the address identifies a person."""
        return self.kind in _PERSONAL

    def masked(self) -> str:
        """The address as it may stand in a log, a page or an error."""
        if self.kind is TargetKind.PHONE:
            return mask_digits(self.address.removeprefix("+86"))
        if self.kind is TargetKind.MAILBOX:
            local, _, domain = self.address.partition("@")
            return f"{local[:1]}***@{domain}"
        return self.address

    @override
    def __str__(self) -> str:
        return f"{self.kind}:{self.masked()}"

    @override
    def __repr__(self) -> str:
        return f"Target({self.kind}:{self.masked()})"


def phone(number: str) -> Target:
    """A mainland mobile phone.

    Raises:
        InputError: Not a mainland mobile number.
    """
    return Target(TargetKind.PHONE, normalise_mobile(number))


def display(name: str) -> Target:
    """A screen, by its name in the configuration.

    Raises:
        InputError: The name has characters other than letters, digits, `_`, `.`, `-`.
    """
    return Target(TargetKind.DISPLAY, _name(TargetKind.DISPLAY, name))


def speaker(name: str) -> Target:
    """A loudspeaker, by its name in the configuration. Raises as `display`."""
    return Target(TargetKind.SPEAKER, _name(TargetKind.SPEAKER, name))


def counter(name: str) -> Target:
    """The customer-facing screen of a teller's counter. Raises as `display`."""
    return Target(TargetKind.COUNTER, _name(TargetKind.COUNTER, name))


def group(name: str) -> Target:
    """A group chat or webhook, by its name in the configuration. Raises as `display`."""
    return Target(TargetKind.GROUP, _name(TargetKind.GROUP, name))


def bank_desk(name: str) -> Target:
    """The 24-hour desk of a bank, by its name in the directory. Raises as `display`."""
    return Target(TargetKind.BANK_DESK, _name(TargetKind.BANK_DESK, name))


def mailbox(address: str) -> Target:
    """A mail address.

    Raises:
        InputError: Not one plain address; display names and lists are refused.
    """
    if not _MAILBOX.fullmatch(address):
        raise InputError(
            "That is no mail address.",
            hint="Give one plain address such as manager@bank.example.",
            field="mailbox",
        )
    return Target(TargetKind.MAILBOX, address)


def _name(kind: TargetKind, name: str) -> str:
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{mask_digits(name)[:40]!r} is no name of a {kind}.",
            hint="Use up to 64 letters, digits, '_', '.' and '-', as in the configuration.",
            field=str(kind),
        )
    return name


@dataclass(frozen=True, slots=True)
class Warning:
    """One decision to warn: which script, whom, with which values, until when.

    Attributes:
        id: Given by the engine; time-ordered.
        script: Key of the script, `<id>/<audience>/<version>`.
        language: BCP 47 tag of the texts.
        targets: Everyone who is warned by this decision.
        values: Values of the script's variables, already checked.
        lane: Urgent or bulk.
        not_before: Earliest sending, milliseconds since the epoch.
        not_after: Worthless from here on, milliseconds since the epoch: then it is never sent.
        key: The caller's idempotency key, or an empty string.
        by: The actor who decided.
        drill: Whether it carries the mark 演练.
    """

    id: WarningId
    script: str
    language: str
    targets: tuple[Target, ...]
    values: Mapping[str, str | int]
    lane: Lane
    not_before: int
    not_after: int
    key: str
    by: ActorId
    drill: bool = False
