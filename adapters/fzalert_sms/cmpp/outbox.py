"""What the simulated gateway delivers: reports and replies, kept until they are acknowledged."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from fzalert_sms.cmpp.codec import (
    V20,
    V30,
    Deliver,
    Layout,
    MsgId,
    Report,
    Submit,
    encode,
    encode_report,
)
from fzalert_sms.cmpp.knobs import Knobs, ReportForm
from fzalert_sms.cmpp.session import ServerSession
from fzalert_sms.wire import BEIJING

_EPOCH = datetime(1970, 1, 1, tzinfo=BEIJING) + timedelta(hours=8)
_GATEWAY = 100_001
"""Gateway code in our Msg_Ids; it grows when a second needs more than 65,536 of them."""


class Parcel(NamedTuple):
    """One delivery, as it must arrive.

    Attributes:
        msg_id: Id of the delivery itself.
        access_number: Who gets it.
        service_id: Service code of the account.
        number: The phone it speaks of, or that wrote it.
        report: The report; None for a person's message.
        octets: The message, header included.
        has_header: Whether it begins with a user data header.
        form: How the report is written.
        has_tail: Whether Reserve or LinkID is at its end.
    """

    msg_id: bytes
    access_number: str
    service_id: str
    number: str
    report: Report | None
    octets: bytes = b""
    has_header: bool = False
    form: ReportForm = "plain"
    has_tail: bool = True

    def frame(self, sequence: int, layout: Layout) -> bytes:
        """The DELIVER."""
        if self.report is not None:
            content, msg_fmt = _report(self.report, layout, self.form), 0
        else:
            content, msg_fmt = self.octets, 8
        deliver = Deliver(
            sequence, self.msg_id, self.access_number, self.service_id, 0, int(self.has_header),
            msg_fmt, self.number, 0, int(self.report is not None), content, b"",
        )  # fmt: skip
        frame = encode(deliver, layout)
        if self.has_tail:
            return frame
        size = len(frame) - layout.tail
        return size.to_bytes(4, "big") + frame[4:size]


def _report(report: Report, layout: Layout, form: ReportForm) -> bytes:
    match form:
        case "plain":
            return encode_report(report, layout)
        case "other":
            return encode_report(report, V20 if layout is V30 else V30)
        case "blank":
            return encode_report(report._replace(submit_time=" " * 10, done_time=" " * 10), layout)
        case "head":
            return encode_report(report, layout)[:40]
        case "86":
            number = "86" + report.dest_terminal_id
            return encode_report(report._replace(dest_terminal_id=number), layout)
        case "seconds":
            plain = encode_report(report, layout)
            return plain[:25] + b"30" + plain[25:35] + b"59" + plain[35:]


class Carrier(Protocol):
    """A connection that can carry parcels."""

    session: ServerSession[Parcel]

    def flush(self) -> None:
        """Hand what waits to the socket."""
        ...


class Outbox:
    """Parcels of one account. They go out on any of its connections, as its window allows.

    Attributes:
        waiting: Parcels that are not on their way.
        carriers: Connections of the account.
    """

    def __init__(self) -> None:
        self.waiting: deque[Parcel] = deque()
        self.carriers: list[Carrier] = []

    def pump(self, now: float) -> int:
        """Send what the windows take; return how many went."""
        sent = 0
        for carrier in self.carriers:
            session = carrier.session
            room = min(session.room, len(self.waiting))
            if room:
                requests = []
                for _ in range(room):
                    parcel = self.waiting.popleft()
                    sequence = session.next_sequence()
                    requests.append((sequence, parcel.frame(sequence, session.layout), parcel))
                session.send_many(requests, now)
                sent += room
        return sent


class Postmark:
    """Makes Msg_Ids and report times from the wall clock, given in milliseconds."""

    def __init__(self, wall: Callable[[], int]) -> None:
        self._wall = wall
        self._second = -1
        self._moment = _EPOCH
        self._count = 0

    def msg_id(self) -> bytes:
        """A new id; no two are alike."""
        self._look()
        self._count += 1
        at = self._moment
        gateway = (_GATEWAY + (self._count >> 16)) & 0x3F_FFFF
        return MsgId(
            at.month, at.day, at.hour, at.minute, at.second, gateway, self._count & 0xFFFF
        ).pack()

    def minute(self) -> str:
        """YYMMDDHHMM now."""
        self._look()
        return self._moment.strftime("%y%m%d%H%M")

    def report(
        self, submit: Submit, msg_id: bytes, stat: str, submitted: str, knobs: Knobs
    ) -> Parcel:
        """The report about a text."""
        number = submit.destinations[0]
        report = Report(msg_id, stat, submitted, self.minute(), number, self._count & 0xFFFF_FFFF)
        return Parcel(
            self.msg_id(), submit.src_id, submit.service_id, number, report,
            form=knobs.report_form, has_tail=not knobs.short_tails,
        )  # fmt: skip

    def skew(self, timestamp: int, knobs: Knobs) -> float:
        """Seconds that the MMDDHHMMSS of a login is off; a day that does not exist is far off."""
        now = _EPOCH + timedelta(milliseconds=self._wall()) + timedelta(seconds=knobs.clock_offset)
        digits = f"{now.year}{timestamp:010d}+0800"
        try:
            moment = datetime.strptime(digits, "%Y%m%d%H%M%S%z")
        except ValueError:
            return float("inf")
        return abs((moment - now).total_seconds())

    def _look(self) -> None:
        second = self._wall() // 1000
        if second != self._second:
            self._second = second
            self._moment = _EPOCH + timedelta(seconds=second)
