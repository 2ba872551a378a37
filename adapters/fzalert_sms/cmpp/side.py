"""CMPP from the gateway's side."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar, Final

from typing_extensions import override

from fzalert_sms.carrier.simulator.knobs import ReportForm
from fzalert_sms.carrier.simulator.side import Fate, Incoming, Parcel, Side
from fzalert_sms.cmpp.codec import (
    NO_ID,
    V20,
    V30,
    Connect,
    Deliver,
    Layout,
    MsgId,
    Report,
    Submit,
    encode,
    encode_report,
)
from fzalert_sms.cmpp.knobs import Knobs
from fzalert_sms.cmpp.session import ServerSession

_GATEWAY: Final = 100_001
"""Gateway code in our Msg_Ids; it grows when a second needs more than 65,536 of them."""


class CmppSide(Side[Knobs]):
    """The frames and the numbers of CMPP."""

    protocol: ClassVar[str] = "cmpp"
    magic: ClassVar[bytes] = b"CMPPLOG1"
    throttled: ClassVar[int] = 8
    too_long: ClassVar[int] = 6
    crowded: ClassVar[int] = 5
    skewed: ClassVar[int] = 3
    no_id: ClassVar[bytes] = NO_ID

    @override
    def session(self, knobs: Knobs, check: Callable[[str, int], int]) -> ServerSession[Parcel]:
        def judge(asked: Connect) -> int:
            return check(asked.source_addr, asked.timestamp)

        session: ServerSession[Parcel] = ServerSession(
            knobs.accounts,
            limits=knobs.limits,
            layout=knobs.forced_layout,
            refuse_with=knobs.login_status,
            highest=knobs.highest,
            check=judge,
        )
        session.answers_tests = knobs.answers_tests
        session.bare_tests = knobs.bare_tests
        return session

    @override
    def incoming(self, frame: Submit) -> Incoming:
        return Incoming(
            frame.sequence, frame.destinations, frame.msg_src, frame.src_id, frame.service_id,
            frame.pk_number, frame.pk_total, len(frame.content), bool(frame.registered_delivery),
        )  # fmt: skip

    @override
    def new_id(self, at: datetime, count: int) -> bytes:
        gateway = (_GATEWAY + (count >> 16)) & 0x3F_FFFF
        return MsgId(
            at.month, at.day, at.hour, at.minute, at.second, gateway, count & 0xFFFF
        ).pack()

    @override
    def frame(self, parcel: Parcel, sequence: int, session: Any) -> bytes:
        layout: Layout = session.layout
        if parcel.report is not None:
            content, msg_fmt = _report(parcel.report, parcel.number, layout, parcel.form), 0
        else:
            content, msg_fmt = parcel.octets, 8
        deliver = Deliver(
            sequence, parcel.carrier_id, parcel.access_number, parcel.service, 0,
            int(parcel.has_header), msg_fmt, parcel.number, 0, int(parcel.report is not None),
            content, b"",
        )  # fmt: skip
        frame = encode(deliver, layout)
        if parcel.has_tail:
            return frame
        size = len(frame) - layout.tail
        return size.to_bytes(4, "big") + frame[4:size]


def _report(fate: Fate, number: str, layout: Layout, form: ReportForm) -> bytes:
    carrier_id, stat, submitted, done, serial = fate
    report = Report(carrier_id, stat, submitted, done, number, serial)
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
            return encode_report(report._replace(dest_terminal_id="86" + number), layout)
        case "seconds":
            plain = encode_report(report, layout)
            return plain[:25] + b"30" + plain[25:35] + b"59" + plain[35:]
