"""Checking a chain: which is the first row that cannot be believed, and why."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fzalert.errors import InputError
from fzalert.evidence.canonical import parse
from fzalert.evidence.chain import START, Head, Link, link

__all__ = ["Fault", "FaultKind", "Verdict", "read_lines", "verify", "verify_lines"]

_LINE = re.compile(rb"([^\t\n]*)\t([0-9a-f]{64})")


class FaultKind(enum.StrEnum):
    """What is wrong with a row."""

    CHANGED = "changed"
    """Its event or hash was altered, or a row before it was."""
    MISSING = "missing"
    """One or more rows before it are gone."""
    REORDERED = "reordered"
    """It stands in another's place, or twice."""
    MALFORMED = "malformed"
    """It is no event of a chain at all."""
    TRUNCATED = "truncated"
    """The chain ends before the anchored head."""


@dataclass(frozen=True, slots=True)
class Fault:
    """The first row that cannot be believed.

    Attributes:
        seq: Number of the row that should stand there.
        kind: What is wrong.
        detail: The same in a sentence; holds nothing of the event.
    """

    seq: int
    kind: FaultKind
    detail: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a check.

    Attributes:
        head: The last row that can be believed.
        fault: The first that cannot; None where all can.
    """

    head: Head
    fault: Fault | None = None

    @property
    def is_intact(self) -> bool:
        """Whether nothing was found."""
        return self.fault is None


def verify(rows: Iterable[Link], *, start: Head = START, anchor: Head | None = None) -> Verdict:
    """Check a chain row by row, in memory of one row.

    Args:
        rows: (seq, body, hash), as they stand in the store.
        start: The head that the first row continues.
        anchor: A head that was signed earlier; without one, a cut-off tail cannot be seen.
    """
    head = start
    waiting = iter(rows)
    anchored = anchor is None or anchor == head
    for row in waiting:
        fault = _check(row, head, waiting)
        if fault is not None:
            return Verdict(head, fault)
        head = Head(row.seq, row.hash)
        if anchor is not None and anchor.seq == row.seq:
            if anchor.hash != row.hash:
                return Verdict(head, _fault(row.seq, FaultKind.CHANGED, "is not the anchored one"))
            anchored = True
    if anchor is not None and not anchored:
        return Verdict(
            head,
            _fault(head.seq + 1, FaultKind.TRUNCATED, f"and up to {anchor.seq} are cut off"),
        )
    return Verdict(head)


def read_lines(lines: Iterable[bytes]) -> Iterator[Link]:
    """Read a chain from the lines of a file; a row's number is its line's place.

    Raises:
        InputError: A line is not an event, a tab, 64 lower-case hex digits and a line feed.
    """
    for seq, line in enumerate(lines):
        found = _LINE.fullmatch(line[:-1]) if line.endswith(b"\n") else None
        if found is None:
            raise InputError(f"Line {seq} is no line of a chain.", row=seq)
        yield Link(seq, found[1], bytes.fromhex(found[2].decode("ascii")))


def verify_lines(text: bytes, *, anchor: Head | None = None) -> Verdict:
    """Check a whole chain as the text of a file."""
    broken: list[Fault] = []

    def rows() -> Iterator[Link]:
        try:
            yield from read_lines(re.findall(rb"[^\n]*\n|[^\n]+", text))
        except InputError as error:
            broken.append(_fault(error.row or 0, FaultKind.MALFORMED, "is no line of a chain"))

    verdict = verify(rows(), anchor=anchor)
    if broken and (verdict.fault is None or verdict.fault.kind is FaultKind.TRUNCATED):
        return Verdict(verdict.head, broken[0])
    return verdict


def _check(row: Link, head: Head, rest: Iterator[Link]) -> Fault | None:
    expected = head.seq + 1
    if row.seq < expected:
        return _fault(expected, FaultKind.REORDERED, f"has row {row.seq} in its place")
    if row.seq > expected:
        if any(later.seq == expected for later in rest):
            return _fault(expected, FaultKind.REORDERED, f"stands after row {row.seq}")
        return _fault(expected, FaultKind.MISSING, f"is gone; row {row.seq} stands there")
    if row.hash != link(head.hash, row.body):
        return _fault(expected, FaultKind.CHANGED, "does not fit its hash and the row before")
    try:
        event = parse(row.body)
    except InputError as error:
        return _fault(expected, FaultKind.MALFORMED, f"is no event: {error.args[0]}")
    if not isinstance(event, dict) or event.get("seq") != expected or event["seq"] is True:
        return _fault(expected, FaultKind.MALFORMED, "carries another number than its own")
    return None


def _fault(seq: int, kind: FaultKind, detail: str) -> Fault:
    return Fault(seq, kind, f"Row {seq} {detail}.")
