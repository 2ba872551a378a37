"""Acceptances, vaults and phone numbers for tests of stores and engines."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Sequence
from typing import TypedDict

from typing_extensions import Unpack

from fzalert.access.vault import KeyRow, Vault
from fzalert.clock import Clock
from fzalert.messages import (
    ActorId,
    Coding,
    Lane,
    Rendition,
    SmsText,
    Target,
    Warning,
    WarningId,
    phone,
)
from fzalert.store import Acceptance, ChangeSet, Lease, NewMessage
from fzalert.testing.samples import SCRIPT

__all__ = ["MASTER_KEY", "Kinds", "Parcels", "make_vault", "number", "text_in_parts"]

MASTER_KEY = bytes(range(32))
"""Master key of every test vault; public, so it protects nothing."""
_TEXT = "公检法不会电话办案，更不会要求转账。拨打96110核实。"
_DAY_MS = 86_400_000


def make_vault(
    keys: list[tuple[int, str, bytes, int]], keep: Callable[[int, str, bytes, int], None]
) -> Vault:
    """Open the real vault under a public key; give it to a store as its `make_vault`."""
    vault = Vault(MASTER_KEY, [KeyRow(*key) for key in keys])
    if not vault.has_active_key:
        for row in vault.new_key(0):
            keep(*row)
    return vault


def number(n: int) -> Target:
    """The n-th phone, of a hundred million; it belongs to nobody."""
    return phone(f"139{n % 10**8:08d}")


def text_in_parts(parts: int = 1, *, text: str = _TEXT) -> Rendition:
    """A short message of so many parts."""
    return SmsText(tuple(f"{text}{n}" for n in range(parts)), Coding.UCS2, SCRIPT)


class Kinds(TypedDict, total=False):
    """What may be chosen of an acceptance.

    Attributes:
        lane: Bulk unless given.
        parts: One unless given.
        due_at: Now unless given.
        not_after: A day after it is due unless given.
        key: The idempotency key.
        body: What the key stands for.
        claim: The lease that claims at once.
        refused: Why it is suppressed.
        channel: Who carries it.
        targets: Whom; new phones unless given.
        warning: The stored warning that it joins.
    """

    lane: Lane
    parts: int
    due_at: int
    not_after: int
    key: str
    body: str
    claim: Lease | None
    refused: str
    channel: str
    targets: Sequence[Target]
    warning: int


class Parcels:
    """Makes acceptances whose ids and phones never repeat.

    Args:
        clock: What is made is due now.
        channel: Who carries it.
        first: The first id.
    """

    def __init__(self, clock: Clock, channel: str = "sms", first: int = 1001) -> None:
        self._clock = clock
        self._channel = channel
        self._ids = itertools.count(first)

    def accept(self, count: int = 1, **kinds: Unpack[Kinds]) -> Acceptance:
        """Make one acceptance of `count` messages."""
        due = kinds.get("due_at", self._clock.millis())
        to = kinds.get("targets") or [number(next(self._ids)) for _ in range(count)]
        known = kinds.get("warning")
        parts = kinds.get("parts", 1)
        decision = Warning(
            WarningId(known or next(self._ids)),
            "impersonating-police/general/1",
            "zh",
            tuple(to),
            {"branch": "城关支行"},
            kinds.get("lane", Lane.BULK),
            due,
            kinds.get("not_after", due + _DAY_MS),
            kinds.get("key", ""),
            ActorId("tester"),
        )
        messages = [
            NewMessage(
                next(self._ids),
                kinds.get("channel", self._channel),
                target,
                0,
                parts,
                due,
                kinds.get("claim"),
                kinds.get("refused", ""),
            )
            for target in to
        ]
        digest = hashlib.sha256(kinds.get("body", "body").encode()).digest()
        return Acceptance(decision, digest, (text_in_parts(parts),), messages, known is None)

    def change(self, count: int = 1, **kinds: Unpack[Kinds]) -> ChangeSet:
        """Make a change set of one acceptance."""
        return ChangeSet(accepts=(self.accept(count, **kinds),))
