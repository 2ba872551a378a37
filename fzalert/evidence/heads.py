"""The daily head of heads: one signed record a day that says where every chain ended.

A chain does not protect its own tail, and a chain that is taken away whole leaves no gap in the
others. The record of a day (Asia/Shanghai) has the end of every chain with news since the record
before, and one hash over the ends of all. The records are a chain of their own, `heads`; copies of
it lie elsewhere. What is signed is the text of `head` as it stands there, under `HEAD_DOMAIN`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from fzalert.errors import IntegrityError
from fzalert.evidence.canonical import Json, canonical, loads
from fzalert.evidence.chain import HEAD_DOMAIN, Head

__all__ = ["HEADS", "DayHead", "Ends", "day_head", "facts_of", "known_ends", "read_head"]

HEADS = "heads"
"""Name of the chain of daily heads."""
Ends: TypeAlias = Mapping[str, Head]
"""Where each chain ends, by its name."""
Verify: TypeAlias = Callable[[bytes, str, bytes, bytes], bool]
"""Whether the holder of a key signed a payload for a domain: key, domain, payload, signature."""


@dataclass(frozen=True, slots=True)
class DayHead:
    """One day's record.

    Attributes:
        day: The day that it closes, as 2026-11-24.
        store: Id of the store.
        made_at: When it was made, RFC 3339.
        late: Seconds after the day's end where it was made up later; 0 where it was on time.
        chains: The end of every chain with news since the record before.
        count: How many chains there are in all.
        root: SHA-256 over the ends of all chains, hex.
        public_key: Who signed it, hex; empty before it is signed.
    """

    day: str
    store: str
    made_at: str
    late: int
    chains: Ends = field(repr=False)
    count: int
    root: str
    public_key: str = ""

    @property
    def document(self) -> bytes:
        """What is signed."""
        return canonical(
            {
                "day": self.day,
                "store": self.store,
                "made_at": self.made_at,
                "late": self.late,
                "chains": _listed(self.chains),
                "count": self.count,
                "root": self.root,
            }
        )


def day_head(day: str, *, store: str, made_at: str, late: int, ends: Ends, before: Ends) -> DayHead:
    """Make a day's record.

    Args:
        day: The day that it closes.
        store: Id of the store.
        made_at: When, RFC 3339.
        late: How many seconds late; 0 where it is on time.
        ends: Where every chain ended then; `heads` itself is left out.
        before: What the records before say.
    """
    ends = {name: head for name, head in ends.items() if name != HEADS}
    news = {name: head for name, head in ends.items() if before.get(name) != head}
    return DayHead(day, store, made_at, late, news, len(ends), _root(ends))


def facts_of(head: DayHead, public_key: bytes, signature: bytes) -> dict[str, Json]:
    """The facts of the record's row in the chain `heads`."""
    return {
        "day": head.day,
        "head": head.document.decode(),
        "public_key": public_key.hex(),
        "signature": signature.hex(),
    }


def read_head(body: bytes, verify: Verify, *, public_key: bytes | None = None) -> DayHead:
    """Read a row of the chain `heads`, and check its signature.

    Args:
        body: The row's event.
        verify: Checks a signature.
        public_key: The key that has to have signed it; without one, the key that it names.

    Raises:
        IntegrityError: It is no record of a day, or it was signed by another key, or by none.
    """
    try:
        row = _members(loads(body))
        text = str(row["head"]).encode()
        key, signature = bytes.fromhex(str(row["public_key"])), bytes.fromhex(str(row["signature"]))
        told = _members(loads(text))
        head = DayHead(
            str(told["day"]),
            str(told["store"]),
            str(told["made_at"]),
            _number(told["late"]),
            _ends(told["chains"]),
            _number(told["count"]),
            str(told["root"]),
            key.hex(),
        )
    except (KeyError, ValueError, TypeError):
        raise IntegrityError("It is no head of a day.") from None
    if public_key is not None and key != public_key:
        raise IntegrityError(f"The head of {head.day} was signed by another key.")
    if head.document != text or not verify(key, HEAD_DOMAIN, text, signature):
        raise IntegrityError(f"The head of {head.day} does not fit its signature.")
    return head


def known_ends(heads: Iterable[DayHead]) -> dict[str, tuple[str, Head]]:
    """What all records together say of each chain: the last day that tells of it, and its end.

    Raises:
        IntegrityError: The last record's hash over all chains does not fit what the records list.
    """
    known: dict[str, tuple[str, Head]] = {}
    last: DayHead | None = None
    for last in heads:
        known |= {name: (last.day, end) for name, end in last.chains.items()}
    if last is not None and not _covers(last, {name: end for name, (_, end) in known.items()}):
        raise IntegrityError(f"The head of {last.day} covers other chains than the records list.")
    return known


def _covers(head: DayHead, ends: Ends) -> bool:
    return len(ends) == head.count and _root(ends) == head.root


def _root(ends: Ends) -> str:
    return hashlib.sha256(canonical(_listed(ends))).hexdigest()


def _listed(ends: Ends) -> dict[str, Json]:
    return {name: [head.seq, head.hash.hex()] for name, head in ends.items()}


def _ends(value: Json) -> dict[str, Head]:
    found = {}
    for name, pair in _members(value).items():
        if not isinstance(pair, list):
            raise TypeError("no pair")
        seq, text = pair
        found[name] = Head(_number(seq), bytes.fromhex(str(text)))
    return found


def _members(value: Json) -> Mapping[str, Json]:
    if not isinstance(value, Mapping):
        raise TypeError("no object")
    return value


def _number(value: Json) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("no number")
    return value
