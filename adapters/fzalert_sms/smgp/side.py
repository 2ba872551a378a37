"""SMGP from the gateway's side."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar, Final

from typing_extensions import override

from fzalert_sms.carrier.simulator.knobs import ReportForm
from fzalert_sms.carrier.simulator.side import Fate, Incoming, Parcel, Side
from fzalert_sms.smgp.codec import NO_ID, Deliver, Login, MsgId, Report, Submit, encode
from fzalert_sms.smgp.codec import encode_report as plain_report
from fzalert_sms.smgp.codec import layout as c
from fzalert_sms.smgp.knobs import Knobs
from fzalert_sms.smgp.session import ServerSession
from fzalert_sms.wire import Tlv

_GATEWAY: Final = "010061"
_UCS2: Final = 8
_ERRORS: Final = {"DELIVRD": "000", "EXPIRED": "001", "UNDELIV": "003"}


class SmgpSide(Side[Knobs]):
    """The frames and the numbers of SMGP.

    Args:
        bcd_ids: Whether every MsgID consists of digits.
    """

    protocol: ClassVar[str] = "smgp"
    magic: ClassVar[bytes] = b"SMGPLOG1"
    throttled: ClassVar[int] = 1
    too_long: ClassVar[int] = 36
    crowded: ClassVar[int] = 2
    skewed: ClassVar[int] = 21
    no_id: ClassVar[bytes] = NO_ID

    def __init__(self, *, bcd_ids: bool = False) -> None:
        self._bcd_ids = bcd_ids

    @override
    def session(self, knobs: Knobs, check: Callable[[str, int], int]) -> ServerSession[Parcel]:
        def judge(asked: Login) -> int:
            return check(asked.client_id, asked.timestamp)

        session: ServerSession[Parcel] = ServerSession(
            knobs.accounts, limits=knobs.limits, refuse_with=knobs.login_status, check=judge
        )
        session.answers_tests = knobs.answers_tests
        return session

    @override
    def incoming(self, frame: Submit) -> Incoming:
        tlvs = dict(frame.tlvs)
        part, parts = tlvs.get(c.PK_NUMBER, b"\1"), tlvs.get(c.PK_TOTAL, b"\1")
        return Incoming(
            frame.sequence, frame.dest_term_ids, "", frame.src_term_id, frame.service_id,
            part[0], parts[0], len(frame.content), bool(frame.need_report),
        )  # fmt: skip

    @override
    def new_id(self, at: datetime, count: int) -> bytes:
        if count % 3 == 0 and not self._bcd_ids:
            return b"\0 :" + count.to_bytes(7, "big")
        number = f"{count % 1_000_000:06d}"
        gateway = f"{int(_GATEWAY) + count // 1_000_000:06d}"
        return MsgId(gateway, at.strftime("%m%d%H%M"), number).pack()

    @override
    def frame(self, parcel: Parcel, sequence: int, session: Any) -> bytes:
        del session
        number, moment = parcel.number, "20260101000000"
        content, coding = parcel.octets, _UCS2
        if parcel.report is not None:
            content, coding = _report(parcel.report, parcel.form), 0
            moment = f"20{parcel.report.done}00"
            number = "86" + number if parcel.form == "86" else number
        tlvs = (Tlv(c.TP_UDHI, b"\1"),) if parcel.has_header else ()
        return encode(
            Deliver(
                sequence, parcel.carrier_id, int(parcel.report is not None), coding, moment,
                number, parcel.access_number, content, tlvs=tlvs,
            )
        )  # fmt: skip


def _report(fate: Fate, form: ReportForm) -> bytes:
    err = _ERRORS.get(fate.stat, "006")
    report = Report(
        fate.carrier_id, "001", "001" if fate.stat == "DELIVRD" else "000", fate.submitted,
        fate.done, fate.stat, err, b"010",
    )  # fmt: skip
    plain = plain_report(report)
    match form:
        case "plain" | "86":
            return plain
        case "other":
            return b"id:" + fate.carrier_id.hex().encode() + plain[13:]
        case "blank":
            return plain.replace(fate.submitted.encode(), b" " * 10).replace(
                fate.done.encode(), b" " * 10
            )
        case "head":
            return b"id:" + fate.carrier_id + b" stat:" + fate.stat.encode()
        case "seconds":
            texts = f" submit date:{fate.submitted}30 done date:{fate.done}59"
            head, tail = plain[:31], f" stat:{fate.stat} err:{err} text:"
            return head + texts.encode() + tail.encode()
