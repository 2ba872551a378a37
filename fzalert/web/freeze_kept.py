"""What a person typed, kept while the identity is proved anew or a fault is corrected.

It stays in memory only, for ten minutes, for the very person, and is bounded: what names people is
never written into an address or a hidden field.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass

from fzalert.clock import Clock
from fzalert.web.freeze_forms import Form

__all__ = ["Kept"]

FOR = 600.0
MOST = 64
MOST_BYTES = 256 * 1024 * 1024


@dataclass(slots=True)
class _Held:
    actor: str
    form: Form
    at: float
    size: int


class Kept:
    """Holds forms by a key that tells nothing.

    Args:
        clock: Reader of time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: OrderedDict[str, _Held] = OrderedDict()

    def put(self, actor: str, form: Form, key: str = "") -> str:
        """Keep a form; returns its key.

        Args:
            actor: Whose it is.
            form: What was typed and chosen.
            key: That of an earlier form of the same person, which this one replaces.
        """
        self._forget()
        known = self._held.get(key)
        name = key if known is not None and known.actor == actor else secrets.token_hex(16)
        self._held.pop(name, None)
        size = sum(len(file.body) for file in form.files.values())
        self._held[name] = _Held(actor, form, self._clock.monotonic(), size)
        while len(self._held) > MOST or self._bytes() > MOST_BYTES:
            self._held.popitem(last=False)
        return name

    def get(self, actor: str, key: str) -> Form | None:
        """A form that this person left, or None."""
        self._forget()
        held = self._held.get(key)
        return held.form if held is not None and held.actor == actor else None

    def drop(self, actor: str, key: str) -> None:
        """Forget a form that was used."""
        held = self._held.get(key)
        if held is not None and held.actor == actor:
            del self._held[key]

    def _bytes(self) -> int:
        return sum(held.size for held in self._held.values())

    def _forget(self) -> None:
        before = self._clock.monotonic() - FOR
        for key in [key for key, held in self._held.items() if held.at < before]:
            del self._held[key]
