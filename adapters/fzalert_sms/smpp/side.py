"""SMPP from the message centre's side."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar, Final

from typing_extensions import override

from fzalert_sms.carrier.simulator.side import Fate, Incoming, Parcel, Side
from fzalert_sms.smpp.codec import Bind, ShortMessage, encode
from fzalert_sms.smpp.codec import layout as c
from fzalert_sms.smpp.knobs import Knobs
from fzalert_sms.smpp.session import ServerSession
from fzalert_sms.smpp.texts import UCS2, UDHI
from fzalert_sms.wire import Tlv, divide

_RECEIPT: Final = 0x04
_FIRST_ID: Final = 0x1A2B_3C00
_SPACE: Final = uuid.UUID("6f1ad6a2-0d0c-4c11-9a0e-2b1d5f4c7e55")
_STATES: Final = {word: number for number, word in c.STATES.items()}
_ERRORS: Final = {"DELIVRD": "000", "EXPIRED": "001", "UNDELIV": "003"}


class SmppSide(Side[Knobs]):
    """The PDUs and the numbers of SMPP.

    Args:
        knobs: How ids are written; the other knobs come with each session.
    """

    protocol: ClassVar[str] = "smpp"
    magic: ClassVar[bytes] = b"SMPPLOG1"
    throttled: ClassVar[int] = c.THROTTLED
    too_long: ClassVar[int] = 0x01
    crowded: ClassVar[int] = 0x05
    skewed: ClassVar[int] = 0x0D
    no_id: ClassVar[bytes] = b""

    def __init__(self, knobs: Knobs) -> None:
        self._knobs = knobs

    @override
    def session(self, knobs: Knobs, check: Callable[[str, int], int]) -> ServerSession[Parcel]:
        def judge(asked: Bind) -> int:
            return check(asked.system_id, 0)

        session: ServerSession[Parcel] = ServerSession(
            knobs.accounts, limits=knobs.limits, refuse_with=knobs.login_status, check=judge
        )
        session.answers_tests = knobs.answers_tests
        session.congestion = knobs.congestion
        return session

    @override
    def incoming(self, frame: ShortMessage) -> Incoming:
        fields = dict(frame.tlvs)
        content = frame.short_message or fields.get(c.MESSAGE_PAYLOAD, b"")
        part = fields.get(c.SAR_SEGMENT_SEQNUM, b"\1")[:1] or b"\1"
        parts = fields.get(c.SAR_TOTAL_SEGMENTS, b"\1")[:1] or b"\1"
        place = divide(content)[0] if frame.esm_class & UDHI else None
        return Incoming(
            frame.sequence, (frame.destination_addr,), "", frame.source_addr, frame.service_type,
            place.number if place else part[0], place.total if place else parts[0],
            len(content), bool(frame.registered_delivery & 3),
        )  # fmt: skip

    @override
    def new_id(self, at: datetime, count: int) -> bytes:
        number = _FIRST_ID + count
        match self._knobs.message_ids:
            case "decimal":
                return b"%d" % number
            case "hex":
                return b"%010X" % number
            case "uuid":
                return str(uuid.uuid5(_SPACE, f"{at:%y%m%d%H%M%S} {count}")).encode()

    @override
    def frame(self, parcel: Parcel, sequence: int, session: Any) -> bytes:
        del session
        number, esm_class, coding = parcel.number, 0, UCS2
        content = parcel.octets
        tlvs: tuple[Tlv, ...] = ()
        if parcel.report is not None:
            esm_class, coding = _RECEIPT, 0
            content, tlvs = self._receipt(parcel.report, parcel.form)
            number = "+" + number if parcel.form == "86" else number
        elif parcel.has_header:
            esm_class, content, tlvs = self._marked(content)
        return encode(
            ShortMessage(
                sequence, c.DELIVER_SM, "", 1, 1, number, 0, 1, parcel.access_number, esm_class,
                0, 0, "", "", 0, 0, coding, 0, content, tlvs,
            )
        )  # fmt: skip

    def _marked(self, content: bytes) -> tuple[int, bytes, tuple[Tlv, ...]]:
        """A part of a person's long message: esm_class, text and fields."""
        place, octets = divide(content)
        match self._knobs.replies_by:
            case "sar" if place is not None:
                fields = (
                    Tlv(c.SAR_MSG_REF_NUM, place.reference.to_bytes(2, "big")),
                    Tlv(c.SAR_TOTAL_SEGMENTS, bytes((place.total,))),
                    Tlv(c.SAR_SEGMENT_SEQNUM, bytes((place.number,))),
                )
                return 0, octets, fields
            case "payload":
                return UDHI, b"", (Tlv(c.MESSAGE_PAYLOAD, content),)
            case _:
                return UDHI, content, ()

    def _receipt(self, fate: Fate, form: str) -> tuple[bytes, tuple[Tlv, ...]]:
        name = self._shown(fate.carrier_id)
        state = _STATES.get(fate.stat, 7)
        fields = (
            Tlv(c.RECEIPTED_MESSAGE_ID, name + b"\0"),
            Tlv(c.MESSAGE_STATE, bytes((state,))),
        )
        error = _ERRORS.get(fate.stat, "006")
        text = (
            f"id:{name.decode()} sub:001 dlvrd:{int(fate.stat == 'DELIVRD'):03d}"
            f" submit date:{{}} done date:{{}} stat:{fate.stat} err:{error} text:"
        )
        match form:
            case "other":
                return b"", fields
            case "seconds":
                return text.format(f"{fate.submitted}30", f"{fate.done}59").encode(), ()
            case "blank":
                return text.format("", "").encode(), ()
            case "head":
                return f"Stat:{fate.stat.lower()} ID:{name.decode()} Err:{error}".encode(), ()
            case _:
                return text.format(fate.submitted, fate.done).encode(), fields

    def _shown(self, carrier_id: bytes) -> bytes:
        """An id as receipts write it."""
        base = 16 if self._knobs.message_ids == "hex" else 10
        match self._knobs.receipt_ids:
            case "same":
                return carrier_id
            case "decimal":
                return b"%d" % int(carrier_id, base)
            case "hex":
                return b"%x" % int(carrier_id, base)
            case "zeros":
                return b"00" + carrier_id
            case "upper":
                return carrier_id.upper()
