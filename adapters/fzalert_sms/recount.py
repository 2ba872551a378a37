"""Counts what a CMPP gateway received, from the raw log of its frames.

This is the second opinion: it was written from the protocol text and the log's description, knows
its offsets by itself, and imports nothing of fzalert, so that an error in our codec cannot hide
here. It may be copied and run alone: `python recount.py LOG [--json]`.

Source: CMPP V3.0.0 (QB-GF-028-2003), 8.4; the log's form stands in the simulator's `framelog`.
"""

from __future__ import annotations

import argparse
import json
import struct
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

MAGIC = b"CMPPLOG1"


@dataclass(slots=True)
class ConnectionCount:
    """One connection.

    Attributes:
        number: Its number, in the order of opening.
        version: The version of its frames: 3 or 2, or 0 before a login was answered.
        submits: SUBMITs received.
        answered: SUBMIT_RESPs sent.
        unanswered: SUBMITs without an answer at its end, or at the end of the log.
        max_unanswered: Most SUBMITs without an answer at any moment.
        delivers: DELIVERs sent.
        max_delivers: Most DELIVERs without an answer at any moment.
        opened_at: Seconds, by the clock of the simulator.
        closed_at: Seconds, or None where it was open at the end of the log.
        first_submit_at: Seconds, or None.
        reason: Why it ended.
    """

    number: int
    version: int = 0
    submits: int = 0
    answered: int = 0
    unanswered: int = 0
    max_unanswered: int = 0
    delivers: int = 0
    max_delivers: int = 0
    opened_at: float = 0.0
    closed_at: float | None = None
    first_submit_at: float | None = None
    reason: str = ""


@dataclass(slots=True)
class Recount:
    """The whole log.

    A text counts as taken when it was accepted, and as possibly taken when it was not answered.
    Duplicates are texts of the same number, words and part beyond the first that were taken or
    possibly taken; one that was throttled or refused before does not count.

    Attributes:
        submits: Destinations of all SUBMITs received.
        accepted: Answered with result 0.
        throttled: Answered with result 8.
        rejected: Answered with another result.
        unanswered: Not answered.
        distinct: Different pairs of number and text (part) that were taken or possibly taken.
        distinct_accepted: Different pairs that were accepted.
        duplicates: See above.
        results: Answers by result.
        max_unanswered: Largest figure of all connections.
        logins: Logins answered with 0.
        refused_logins: Logins answered otherwise.
        reports_sent: Different reports that were sent.
        reports_repeated: Reports sent again.
        reports_acknowledged: Different reports that were answered with 0.
        stats: Different texts by the Stat of a report that was answered with 0.
        messages_sent: People's messages that were sent to the client.
        active_tests: ACTIVE_TESTs received.
        undecodable: SUBMITs whose lengths do not add up.
        connections: One entry each.
    """

    submits: int = 0
    accepted: int = 0
    throttled: int = 0
    rejected: int = 0
    unanswered: int = 0
    distinct: int = 0
    distinct_accepted: int = 0
    duplicates: int = 0
    results: dict[int, int] = field(default_factory=dict)
    max_unanswered: int = 0
    logins: int = 0
    refused_logins: int = 0
    reports_sent: int = 0
    reports_repeated: int = 0
    reports_acknowledged: int = 0
    stats: dict[str, int] = field(default_factory=dict)
    messages_sent: int = 0
    active_tests: int = 0
    undecodable: int = 0
    connections: list[ConnectionCount] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Text:
    """One text, or one part of a long one, to one number, as the handset gets it.

    Attributes:
        number: Eleven digits; a country code is taken off.
        text: The words of the part.
        part: Number of the part, from 1.
        parts: How many there are.
        reference: Reference of a long text; not compared.
    """

    number: str
    text: str
    part: int = 1
    parts: int = 1
    reference: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Sighting:
    """One text as it was received.

    Attributes:
        at: Seconds, by the clock of the simulator.
        connection: Number of the connection.
        text: The text.
        result: The result that was answered, or None.
        msg_id: The Msg_Id that was answered, in hex.
    """

    at: float
    connection: int
    text: Text
    result: int | None
    msg_id: str


def records(data: bytes) -> Iterator[tuple[float, int, int, bytes]]:
    """Read (time, kind, connection, payload) of each record; a torn last record is left out.

    Raises:
        ValueError: The file is no such log.
    """
    if not data.startswith(MAGIC):
        raise ValueError("this is no log of CMPP frames")
    at = len(MAGIC)
    while at + 17 <= len(data):
        moment, kind, connection, length = struct.unpack_from(">dBII", data, at)
        at += 17
        if at + length > len(data):
            return
        yield moment, kind, connection, data[at : at + length]
        at += length


def _cut(octets: bytes) -> str:
    return octets.split(b"\x00", 1)[0].decode("ascii", "replace")


def texts_of(body: bytes, version: int) -> list[Text]:
    """Read number and text of a SUBMIT's body.

    Raises:
        ValueError: Its lengths do not add up.
    """
    # Offsets of the protocol text: destination count, width of a number, octets after the numbers
    # before Msg_Length, octets after the content.
    count_at, width, gap, tail = (128, 32, 1, 20) if version >= 3 else (116, 21, 0, 8)
    if len(body) <= count_at:
        raise ValueError("too short for DestUsr_tl")
    count = body[count_at]
    length_at = count_at + 1 + width * count + gap
    if not count or len(body) <= length_at:
        raise ValueError("too short for the destinations")
    size = body[length_at]
    content = body[length_at + 1 : length_at + 1 + size]
    if len(body) != length_at + 1 + size + tail:
        raise ValueError("Msg_Length does not fit the frame")
    has_header = body[57 if version >= 3 else 45] & 1
    msg_fmt = body[58 if version >= 3 else 46]
    parts, part, reference = body[8], body[9], 0
    if has_header and content:
        header = content[1 : 1 + content[0]]
        content = content[1 + content[0] :]
        if len(header) >= 5 and header[:2] == b"\x00\x03":
            reference, parts, part = header[2], header[3], header[4]
    codec = {8: "utf-16-be", 15: "gb18030", 0: "ascii"}.get(msg_fmt, "latin-1")
    words = content.decode(codec, "replace")
    numbers = [
        _cut(body[count_at + 1 + width * i : count_at + 1 + width * (i + 1)]) for i in range(count)
    ]
    return [
        Text(n[2:] if len(n) == 13 and n.startswith("86") else n, words, part, parts, reference)
        for n in numbers
    ]


class _Reader:
    def __init__(self) -> None:
        self.total = Recount()
        self.sightings: list[Sighting] = []
        self._connections: dict[int, ConnectionCount] = {}
        self._asked: dict[int, int] = {}
        self._open: dict[int, dict[int, tuple[float, list[Text]]]] = defaultdict(dict)
        self._delivers: dict[int, dict[int, bytes | None]] = defaultdict(dict)
        self._reports: Counter[bytes] = Counter()
        self._acknowledged: set[bytes] = set()
        self._results: Counter[int] = Counter()

    def read(self, moment: float, kind: int, number: int, payload: bytes) -> None:
        """Take one record."""
        if number not in self._connections:
            self._connections[number] = ConnectionCount(number, opened_at=moment)
        connection = self._connections[number]
        if kind == 3:
            connection.closed_at = moment
            connection.reason = payload.decode("utf-8", "replace")
            self._end(connection)
        elif kind in (0, 1) and len(payload) >= 12:
            _, command, sequence = struct.unpack_from(">III", payload)
            self._frame(connection, kind, command, sequence, payload[12:], moment)

    def _frame(
        self,
        connection: ConnectionCount,
        kind: int,
        command: int,
        sequence: int,
        body: bytes,
        moment: float,
    ) -> None:
        match kind, command:
            case 0, 0x00000004:
                self._submit(connection, sequence, body, moment)
            case 1, 0x80000004:
                self._submit_resp(connection, sequence, body)
            case 1, 0x00000005:
                self._deliver(connection, sequence, body)
            case 0, 0x80000005:
                self._deliver_resp(connection, sequence, body)
            case 1, 0x80000001:
                status = int.from_bytes(body[:-17], "big")
                connection.version = 3 if len(body) == 21 else 2
                if status:
                    self.total.refused_logins += 1
                else:
                    self.total.logins += 1
            case 0, 0x00000008:
                self.total.active_tests += 1
            case _:
                pass

    def _submit(
        self, connection: ConnectionCount, sequence: int, body: bytes, moment: float
    ) -> None:
        connection.submits += 1
        if connection.first_submit_at is None:
            connection.first_submit_at = moment
        try:
            texts = texts_of(body, connection.version)
        except ValueError:
            self.total.undecodable += 1
            texts = []
        self.total.submits += len(texts)
        waiting = self._open[connection.number]
        waiting[sequence] = (moment, texts)
        connection.max_unanswered = max(connection.max_unanswered, len(waiting))

    def _submit_resp(self, connection: ConnectionCount, sequence: int, body: bytes) -> None:
        connection.answered += 1
        result = int.from_bytes(body[8:], "big")
        self._results[result] += 1
        moment, texts = self._open[connection.number].pop(sequence, (0.0, []))
        for text in texts:
            sight = Sighting(moment, connection.number, text, result, body[:8].hex())
            self.sightings.append(sight)

    def _deliver(self, connection: ConnectionCount, sequence: int, body: bytes) -> None:
        connection.delivers += 1
        # Registered_Delivery stands before Msg_Length and Msg_Content.
        at = 75 if connection.version >= 3 else 63
        is_report = len(body) > at and body[at] == 1
        key = body[:8] + body[at + 2 : at + 17] if is_report else None
        waiting = self._delivers[connection.number]
        waiting[sequence] = key
        connection.max_delivers = max(connection.max_delivers, len(waiting))
        if key is None:
            self.total.messages_sent += 1
        else:
            self._reports[key] += 1

    def _deliver_resp(self, connection: ConnectionCount, sequence: int, body: bytes) -> None:
        key = self._delivers[connection.number].pop(sequence, None)
        if key is not None and int.from_bytes(body[8:], "big") == 0:
            self._acknowledged.add(key)

    def _end(self, connection: ConnectionCount) -> None:
        waiting = self._open.pop(connection.number, {})
        connection.unanswered = len(waiting)
        for moment, texts in waiting.values():
            for text in texts:
                self.sightings.append(Sighting(moment, connection.number, text, None, ""))

    def finish(self) -> Recount:
        """Close what is open and add up."""
        for connection in self._connections.values():
            if connection.closed_at is None:
                self._end(connection)
        total = self.total
        self.sightings.sort(key=lambda sight: sight.at)
        taken: Counter[Text] = Counter()
        accepted: set[Text] = set()
        for sight in self.sightings:
            if sight.result == 0:
                total.accepted += 1
                accepted.add(sight.text)
            elif sight.result == 8:
                total.throttled += 1
            elif sight.result is not None:
                total.rejected += 1
            else:
                total.unanswered += 1
            if sight.result in (0, None):
                taken[sight.text] += 1
        total.distinct = len(taken)
        total.distinct_accepted = len(accepted)
        total.duplicates = sum(count - 1 for count in taken.values())
        total.results = dict(sorted(self._results.items()))
        total.connections = sorted(self._connections.values(), key=lambda one: one.number)
        total.max_unanswered = max((one.max_unanswered for one in total.connections), default=0)
        total.reports_sent = len(self._reports)
        total.reports_repeated = sum(count - 1 for count in self._reports.values())
        total.reports_acknowledged = len(self._acknowledged)
        # Behind the delivery's own id: Msg_Id of the text, 8 octets, and Stat, 7.
        told = Counter(_cut(tail[8:15]) for tail in {key[8:] for key in self._acknowledged})
        total.stats = dict(sorted(told.items()))
        return total


def recount(path: Path) -> Recount:
    """Count a whole log.

    Raises:
        ValueError: The file is no such log.
    """
    return recount_with_texts(path)[0]


def recount_with_texts(path: Path) -> tuple[Recount, list[Sighting]]:
    """Count a whole log, and return every text as it was received, in the order of arrival."""
    reader = _Reader()
    for record in records(path.read_bytes()):
        reader.read(*record)
    total = reader.finish()
    return total, reader.sightings


def main(argv: Sequence[str] | None = None) -> int:
    """Print the counts of a log."""
    parser = argparse.ArgumentParser(description="Recount a CMPP gateway's log of raw frames.")
    parser.add_argument("log", type=Path)
    parser.add_argument("--json", action="store_true", help="one object on one line")
    parser.add_argument(
        "--expect", type=Path, help="file of numbers, one a line, that must have been received"
    )
    given = parser.parse_args(argv)
    counted, sightings = recount_with_texts(given.log)
    total = asdict(counted)
    if given.expect:
        received = {sighting.text.number for sighting in sightings}
        expected = set(given.expect.read_text(encoding="ascii").split())
        total["expected"] = len(expected)
        total["missing"] = len(expected - received)
    if given.json:
        sys.stdout.write(json.dumps(total) + "\n")
    else:
        connections = total.pop("connections")
        for name, value in total.items():
            sys.stdout.write(f"{name.replace('_', ' ')}: {value}\n")
        for connection in connections:
            sys.stdout.write(f"connection: {connection}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
