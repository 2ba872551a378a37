"""SGIP from the gateway's side."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from typing import Any, ClassVar, Final

from typing_extensions import override

from fzalert_sms.carrier.simulator.side import Incoming, Parcel, Side
from fzalert_sms.sgip.codec import Bind, Deliver, Report, Sequence, Submit, encode
from fzalert_sms.sgip.knobs import Knobs
from fzalert_sms.sgip.session import PushSession, Sequences, ServerSession
from fzalert_sms.sgip.session.grammar import REPEATED

_NODE: Final = 105310
"""1, area code of 4 digits, and a digit."""
_UCS2: Final = 8
_STATES: Final = {
    "DELIVRD": (0, 0), "ACCEPTD": (1, 0), "EXPIRED": (2, 25), "UNDELIV": (2, 29),
    "MO:0008": (2, 33), "MA:0022": (2, 250), "UNKNOWN": (2, 251),
}  # fmt: skip
"""State and ErrorCode by the word for what became of a text; a number is an ErrorCode."""
_MOST: Final = 1_000_000


class SgipSide(Side[Knobs]):
    """The frames and the numbers of SGIP, and which sequences were there before.

    Attributes:
        repeats: Texts whose sequence was there before.
        sequences: Of the gateway's own requests.
    """

    protocol: ClassVar[str] = "sgip"
    magic: ClassVar[bytes] = b"SGIPLOG1"
    throttled: ClassVar[int] = 11
    too_long: ClassVar[int] = 8
    crowded: ClassVar[int] = 3
    skewed: ClassVar[int] = 1
    no_id: ClassVar[bytes] = bytes(12)

    def __init__(self) -> None:
        self.repeats = 0
        self.sequences = Sequences(_NODE, 0, _wall_millis)
        self._arrived: dict[Sequence, bytes] = {}
        self._taken: dict[Sequence, bytes] = {}

    @override
    def session(self, knobs: Knobs, check: Callable[[str, int], int]) -> ServerSession[Parcel]:
        def judge(asked: Bind) -> int:
            return check(asked.login_name, asked.sequence.moment)

        def repeated(sequence: Sequence, frame: bytes) -> int | None:
            return self._repeated(sequence, frame, knobs)

        return ServerSession(
            knobs.accounts,
            self.sequences,
            limits=knobs.limits,
            refuse_with=knobs.login_status,
            check=judge,
            repeated=repeated,
        )

    def push_session(self, account: str, knobs: Knobs) -> PushSession[Parcel]:
        """Make the session of a connection that delivers."""
        return PushSession(account, self.sequences, limits=knobs.limits)

    def took(self, sequence: Sequence) -> None:
        """Note that a text was taken: its sequence is used up."""
        self._taken[sequence] = self._arrived.pop(sequence, b"")
        if len(self._taken) > _MOST:
            del self._taken[next(iter(self._taken))]

    def _repeated(self, sequence: Sequence, frame: bytes, knobs: Knobs) -> int | None:
        digest = sha256(frame).digest()
        known = self._taken.get(sequence) if knobs.remembers else None
        if known is None:
            self._arrived[sequence] = digest
            if len(self._arrived) > _MOST:
                del self._arrived[next(iter(self._arrived))]
            return None
        self.repeats += 1
        return knobs.answers_repeats if known == digest else REPEATED

    @override
    def incoming(self, frame: Submit) -> Incoming:
        part, parts = 1, 1
        if frame.tp_udhi and frame.content[:3] == b"\5\0\3" and len(frame.content) > 5:
            parts, part = frame.content[4], frame.content[5]
        return Incoming(
            frame.sequence, frame.user_numbers, "", frame.sp_number, frame.service_type,
            part, parts, len(frame.content), frame.report_flag == 1,
        )  # fmt: skip

    @override
    def new_id(self, at: datetime, count: int) -> bytes:
        del at
        return count.to_bytes(12, "big")  # of a delivery; the id of a text is its sequence

    @override
    def frame(self, parcel: Parcel, sequence: Sequence, session: Any) -> bytes:
        del session
        number = parcel.number
        if parcel.form == "other":
            number = number.removeprefix("86")
        elif len(number) == 11:
            number = "86" + number
        fate = parcel.report
        if fate is None:
            udhi = int(parcel.has_header)
            return encode(
                Deliver(sequence, number, parcel.access_number, 0, udhi, _UCS2, parcel.octets)
            )
        state, error = _STATES.get(fate.stat) or (2, int(fate.stat))
        about = Sequence.unpack(fate.carrier_id)
        return encode(Report(sequence, about, 0, number, state, error))


def _wall_millis() -> int:
    # The simulator is the other side and has a clock of its own, as the carrier has.
    return time.time_ns() // 1_000_000
