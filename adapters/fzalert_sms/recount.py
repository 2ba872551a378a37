"""Counts what a gateway received, from the raw log of its frames: CMPP, SGIP, SMGP or SMPP.

This is the second opinion: it was written from the protocol texts and the log's description, knows
their offsets by itself, and imports nothing of fzalert, so that an error in our codec cannot hide
here. It may be copied and run alone: `python recount.py LOG [--json]`.

Source: CMPP V3.0.0 (QB-GF-028-2003), 8.4; SGIP V1.2, 4; SMGP V3.0.3, 7; SMPP v3.4, 4; the log's
form stands in the simulator's `framelog`.
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
from typing import Protocol


@dataclass(slots=True)
class ConnectionCount:
    """One connection.

    Attributes:
        number: Its number, in the order of opening.
        version: CMPP: the version of its frames, 3 or 2; 0 before a login was answered.
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
        throttled: Answered with the result that says "too fast".
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
    if data[:8] not in RULES:
        raise ValueError("this is no log of a gateway's frames")
    at = 8
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
    numbers = [
        _cut(body[count_at + 1 + width * i : count_at + 1 + width * (i + 1)]) for i in range(count)
    ]
    return _texts(numbers, content, msg_fmt, (body[9], body[8]), has_header=bool(has_header))


def _texts(
    numbers: Sequence[str],
    content: bytes,
    coding: int,
    place: tuple[int, int] = (1, 1),
    *,
    has_header: bool,
) -> list[Text]:
    """Read the words; a user data header says better than fields which part this is."""
    part, parts = place
    reference = 0
    if has_header and content:
        header = content[1 : 1 + content[0]]
        content = content[1 + content[0] :]
        if len(header) >= 5 and header[:2] == b"\x00\x03":
            reference, parts, part = header[2], header[3], header[4]
    codec = {8: "utf-16-be", 15: "gb18030", 0: "ascii"}.get(coding, "latin-1")
    words = content.decode(codec, "replace")
    return [
        Text(n[2:] if len(n) == 13 and n.startswith("86") else n, words, part, parts, reference)
        for n in numbers
    ]


class _Rules(Protocol):
    """Where things stand in the frames of one protocol; `_Reader` counts."""

    head: int
    """Octets of the header."""
    too_fast: frozenset[int]
    submit: int
    submit_resp: int
    login_resp: tuple[int, ...]
    delivers: tuple[int, ...]
    deliver_resps: tuple[int, ...]
    tests: tuple[int, ...]

    def sequence(self, frame: bytes) -> bytes:
        """What a response repeats."""
        ...

    def login(self, frame: bytes, connection: ConnectionCount) -> int:
        """The status of an answered login."""
        ...

    def texts(self, frame: bytes, connection: ConnectionCount) -> list[Text]:
        """Number and words of a submission; `ValueError` where its lengths do not add up."""
        ...

    def answer(self, frame: bytes) -> tuple[int, str]:
        """Result and id of an answered submission."""
        ...

    def report(self, frame: bytes, connection: ConnectionCount) -> tuple[bytes, str] | None:
        """What makes a report different from others, and its word; None for a person's message."""
        ...

    def took(self, frame: bytes) -> bool:
        """Whether a delivery was answered with 0."""
        ...


class _Cmpp:
    head = 12
    too_fast = frozenset({8})
    submit, submit_resp = 0x4, 0x80000004
    login_resp: tuple[int, ...] = (0x80000001,)
    delivers: tuple[int, ...] = (0x5,)
    deliver_resps: tuple[int, ...] = (0x80000005,)
    tests: tuple[int, ...] = (0x8,)

    def sequence(self, frame: bytes) -> bytes:
        return frame[8:12]

    def login(self, frame: bytes, connection: ConnectionCount) -> int:
        body = frame[12:]
        connection.version = 3 if len(body) == 21 else 2
        return int.from_bytes(body[:-17], "big")

    def texts(self, frame: bytes, connection: ConnectionCount) -> list[Text]:
        return texts_of(frame[12:], connection.version)

    def answer(self, frame: bytes) -> tuple[int, str]:
        return int.from_bytes(frame[20:], "big"), frame[12:20].hex()

    def report(self, frame: bytes, connection: ConnectionCount) -> tuple[bytes, str] | None:
        # Registered_Delivery stands before Msg_Length and Msg_Content.
        body, at = frame[12:], 75 if connection.version >= 3 else 63
        if len(body) <= at or body[at] != 1:
            return None
        # The delivery's own id, then Msg_Id of the text, 8 octets, and Stat, 7.
        return body[:8] + body[at + 2 : at + 17], _cut(body[at + 10 : at + 17])

    def took(self, frame: bytes) -> bool:
        return int.from_bytes(frame[20:], "big") == 0


class _Smgp:
    head = 12
    too_fast = frozenset({1})
    submit, submit_resp = 0x2, 0x80000002
    login_resp: tuple[int, ...] = (0x80000001,)
    delivers: tuple[int, ...] = (0x3,)
    deliver_resps: tuple[int, ...] = (0x80000003,)
    tests: tuple[int, ...] = (0x4,)

    def sequence(self, frame: bytes) -> bytes:
        return frame[8:12]

    def login(self, frame: bytes, connection: ConnectionCount) -> int:
        del connection
        return int.from_bytes(frame[12:16], "big")

    def texts(self, frame: bytes, connection: ConnectionCount) -> list[Text]:
        del connection
        body = frame[12:]
        count = body[104] if len(body) > 104 else 0
        length_at = 105 + 21 * count
        if not count or len(body) <= length_at:
            raise ValueError("too short for the destinations")
        size = body[length_at]
        content = body[length_at + 1 : length_at + 1 + size]
        at = length_at + 1 + size + 8
        if len(body) < at:
            raise ValueError("MsgLength does not fit the frame")
        fields: dict[int, bytes] = {}
        while at + 4 <= len(body):
            tag, length = struct.unpack_from(">HH", body, at)
            fields[tag] = body[at + 4 : at + 4 + length]
            at += 4 + length
        place = (fields.get(0x000A, b"\1")[0], fields.get(0x0009, b"\1")[0])
        numbers = [_cut(body[105 + 21 * i : 126 + 21 * i]) for i in range(count)]
        has_header = fields.get(0x0002) == b"\1"
        return _texts(numbers, content, body[27], place, has_header=has_header)

    def answer(self, frame: bytes) -> tuple[int, str]:
        return int.from_bytes(frame[22:26], "big"), frame[12:22].hex()

    def report(self, frame: bytes, connection: ConnectionCount) -> tuple[bytes, str] | None:
        del connection
        body = frame[12:]
        if len(body) < 69 or body[10] != 1:
            return None
        content = body[69 : 69 + body[68]]
        stat = content[content.rfind(b"stat:") + 5 :][:7]
        return body[:10] + content[3:13] + stat, _cut(stat).strip()

    def took(self, frame: bytes) -> bool:
        return int.from_bytes(frame[22:26], "big") == 0


class _Sgip:
    head = 20
    too_fast = frozenset({11})
    submit, submit_resp = 0x3, 0x80000003
    login_resp: tuple[int, ...] = (0x80000001,)
    delivers: tuple[int, ...] = (0x4, 0x5)
    deliver_resps: tuple[int, ...] = (0x80000004, 0x80000005)
    tests: tuple[int, ...] = ()

    def sequence(self, frame: bytes) -> bytes:
        return frame[8:20]

    def login(self, frame: bytes, connection: ConnectionCount) -> int:
        del connection
        return frame[20]

    def texts(self, frame: bytes, connection: ConnectionCount) -> list[Text]:
        del connection
        body = frame[20:]
        count = body[42] if len(body) > 42 else 0
        b = 43 + 21 * count
        if not count or len(body) < b + 72:
            raise ValueError("too short for the destinations")
        (size,) = struct.unpack_from(">I", body, b + 68)
        if len(body) != b + 72 + size + 8:
            raise ValueError("MessageLength does not fit the frame")
        numbers = [_cut(body[43 + 21 * i : 64 + 21 * i]) for i in range(count)]
        content = body[b + 72 : b + 72 + size]
        return _texts(numbers, content, body[b + 66], has_header=bool(body[b + 65] & 1))

    def answer(self, frame: bytes) -> tuple[int, str]:
        return frame[20], frame[8:20].hex()

    def report(self, frame: bytes, connection: ConnectionCount) -> tuple[bytes, str] | None:
        del connection
        if frame[4:8] != b"\0\0\0\5" or len(frame) < 56:
            return None
        return frame[20:32] + frame[54:56], f"{frame[54]}:{frame[55]}"

    def took(self, frame: bytes) -> bool:
        return frame[20] == 0


class _Smpp:
    head = 16
    too_fast = frozenset({0x58})
    submit, submit_resp = 0x4, 0x80000004
    login_resp: tuple[int, ...] = (0x80000001, 0x80000002, 0x80000009)
    delivers: tuple[int, ...] = (0x5,)
    deliver_resps: tuple[int, ...] = (0x80000005,)
    tests: tuple[int, ...] = (0x15,)

    def sequence(self, frame: bytes) -> bytes:
        return frame[12:16]

    def login(self, frame: bytes, connection: ConnectionCount) -> int:
        del connection
        return int.from_bytes(frame[8:12], "big")

    def texts(self, frame: bytes, connection: ConnectionCount) -> list[Text]:
        del connection
        _, number, esm, coding, content, fields = self._message(frame)
        content = content or fields.get(0x0424, b"")
        place = (fields.get(0x020F, b"\1")[0], fields.get(0x020E, b"\1")[0])
        return _texts([number], content, coding, place, has_header=bool(esm & 0x40))

    def answer(self, frame: bytes) -> tuple[int, str]:
        return int.from_bytes(frame[8:12], "big"), _cut(frame[16:])

    def report(self, frame: bytes, connection: ConnectionCount) -> tuple[bytes, str] | None:
        del connection
        number, _, esm, _, content, fields = self._message(frame)
        if not esm & 0x24:
            return None
        content = content or fields.get(0x0424, b"")
        told = dict(
            part.split(b":", 1) for part in content.lower().split() if part.count(b":") == 1
        )
        key = fields.get(0x001E, told.get(b"id", b"")).rstrip(b"\0")
        states = {2: "DELIVRD", 3: "EXPIRED", 5: "UNDELIV", 8: "REJECTD"}
        state = fields.get(0x0427, b"\0")[0]
        stat = states.get(state) or told.get(b"stat", b"").decode("ascii", "replace").upper()
        return key + stat.encode() + number.encode(), stat

    def took(self, frame: bytes) -> bool:
        return int.from_bytes(frame[8:12], "big") == 0

    def _message(self, frame: bytes) -> tuple[str, str, int, int, bytes, dict[int, bytes]]:
        """Source, destination, esm_class, data_coding, short_message and optional fields."""
        at = frame.index(b"\0", 16) + 3  # behind service_type, ton and npi
        end = frame.index(b"\0", at)
        source, at = _cut(frame[at:end]), end + 3
        end = frame.index(b"\0", at)
        number, at = _cut(frame[at:end]), end + 1
        esm, at = frame[at], at + 3
        for _ in range(2):
            at = frame.index(b"\0", at) + 1
        coding, size = frame[at + 2], frame[at + 4]
        at += 5
        content = frame[at : at + size]
        at += size
        if len(frame) < at:
            raise ValueError("sm_length does not fit the frame")
        fields: dict[int, bytes] = {}
        while at + 4 <= len(frame):
            tag, length = struct.unpack_from(">HH", frame, at)
            fields[tag] = frame[at + 4 : at + 4 + length]
            at += 4 + length
        return source, number, esm, coding, content, fields


RULES: dict[bytes, _Rules] = {
    b"CMPPLOG1": _Cmpp(),
    b"SGIPLOG1": _Sgip(),
    b"SMGPLOG1": _Smgp(),
    b"SMPPLOG1": _Smpp(),
}
"""By how the log begins."""


class _Reader:
    def __init__(self, rules: _Rules) -> None:
        self.total = Recount()
        self.sightings: list[Sighting] = []
        self._rules = rules
        self._connections: dict[int, ConnectionCount] = {}
        self._open: dict[int, dict[bytes, tuple[float, list[Text]]]] = defaultdict(dict)
        self._delivers: dict[int, dict[bytes, bytes | None]] = defaultdict(dict)
        self._reports: Counter[bytes] = Counter()
        self._stats: dict[bytes, str] = {}
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
        elif kind in (0, 1) and len(payload) >= self._rules.head:
            self._frame(connection, kind, payload, moment)

    def _frame(self, connection: ConnectionCount, kind: int, frame: bytes, moment: float) -> None:
        rules = self._rules
        (command,) = struct.unpack_from(">I", frame, 4)
        if kind == 0 and command == rules.submit:
            self._submit(connection, frame, moment)
        elif kind == 1 and command == rules.submit_resp:
            self._submit_resp(connection, frame)
        elif kind == 1 and command in rules.delivers:
            self._deliver(connection, frame)
        elif kind == 0 and command in rules.deliver_resps:
            key = self._delivers[connection.number].pop(rules.sequence(frame), None)
            if key is not None and rules.took(frame):
                self._acknowledged.add(key)
        elif kind == 1 and command in rules.login_resp:
            if rules.login(frame, connection):
                self.total.refused_logins += 1
            else:
                self.total.logins += 1
        elif kind == 0 and command in rules.tests:
            self.total.active_tests += 1

    def _submit(self, connection: ConnectionCount, frame: bytes, moment: float) -> None:
        connection.submits += 1
        if connection.first_submit_at is None:
            connection.first_submit_at = moment
        try:
            texts = self._rules.texts(frame, connection)
        except ValueError:
            self.total.undecodable += 1
            texts = []
        self.total.submits += len(texts)
        waiting = self._open[connection.number]
        waiting[self._rules.sequence(frame)] = (moment, texts)
        connection.max_unanswered = max(connection.max_unanswered, len(waiting))

    def _submit_resp(self, connection: ConnectionCount, frame: bytes) -> None:
        connection.answered += 1
        result, carrier_id = self._rules.answer(frame)
        self._results[result] += 1
        waiting = self._open[connection.number]
        moment, texts = waiting.pop(self._rules.sequence(frame), (0.0, []))
        for text in texts:
            sight = Sighting(moment, connection.number, text, result, carrier_id)
            self.sightings.append(sight)

    def _deliver(self, connection: ConnectionCount, frame: bytes) -> None:
        connection.delivers += 1
        found = self._rules.report(frame, connection)
        waiting = self._delivers[connection.number]
        waiting[self._rules.sequence(frame)] = None if found is None else found[0]
        connection.max_delivers = max(connection.max_delivers, len(waiting))
        if found is None:
            self.total.messages_sent += 1
        else:
            self._reports[found[0]] += 1
            self._stats[found[0]] = found[1]

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
            elif sight.result in self._rules.too_fast:
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
        told = Counter(self._stats[key] for key in self._acknowledged)
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
    data = path.read_bytes()
    reader = _Reader(RULES.get(data[:8], _Cmpp()))
    for record in records(data):
        reader.read(*record)
    total = reader.finish()
    return total, reader.sightings


def main(argv: Sequence[str] | None = None) -> int:
    """Print the counts of a log."""
    parser = argparse.ArgumentParser(description="Recount a gateway's log of raw frames.")
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
