"""What a bank channel knows of a desk: the rows that the directory of desks writes for it.

Only the directory writes them, in the commit of an approval: an address that two persons did not
agree on, or that is too new, never reaches a channel. They stand among the channel's own rows under
`desk/<name>/<use_from>`, so that an old address goes on until a new one may be used.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Self

from fzalert.errors import IntegrityError

__all__ = ["DESK_ROWS", "DeskRow"]

DESK_ROWS = "desk/"
"""Prefix of these rows among a channel's own."""


@dataclass(frozen=True, slots=True)
class DeskRow:
    """How one channel reaches one desk, and for how long.

    Attributes:
        desk: Name of the target.
        institution: Code of the institution that a package has to be for.
        address: Mailbox or URL.
        certificate: In PEM, that of the desk: a mail is encrypted for it; over TLS it, or the
            authority in it, is the only one that is trusted.
        use_from: Milliseconds since the epoch, from which it may be used.
        use_until: Milliseconds since the epoch, until which; 0 for good.
        public_keys: Keys that the desk signs its answers with (Ed25519, hex).
    """

    desk: str
    institution: str
    address: str
    certificate: str = ""
    use_from: int = 0
    use_until: int = 0
    public_keys: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Where it stands; the rows of one desk sort by the time from which they are used."""
        return f"{DESK_ROWS}{self.desk}/{self.use_from:015}"

    def dump(self) -> bytes:
        """Spell it for the store."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True).encode()

    @classmethod
    def load(cls, value: bytes) -> Self:
        """Read it back.

        Raises:
            IntegrityError: It is no such row.
        """
        try:
            found = json.loads(value)
            # Rows of an earlier version have no keys.
            found = {"public_keys": (), **found}
            wanted = {field.name: found[field.name] for field in fields(cls)}
            wanted["public_keys"] = tuple(map(str, wanted["public_keys"]))
        except (ValueError, LookupError, TypeError):
            raise IntegrityError("A row of the directory of desks cannot be read.") from None
        return cls(**wanted)

    @classmethod
    def current(cls, rows: Iterable[tuple[str, bytes]], now: int) -> Self | None:
        """Of the rows of one desk, the one in use: the latest whose time has come.

        Args:
            rows: Keys and values, as `AdapterState.items` gives them.
            now: Milliseconds since the epoch.

        Raises:
            IntegrityError: A row cannot be read.
        """
        begun = [row for row in (cls.load(value) for _, value in rows) if row.use_from <= now]
        latest = max(begun, key=lambda row: row.use_from, default=None)
        if latest is None or (latest.use_until and latest.use_until <= now):
            return None
        return latest
