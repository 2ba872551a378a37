"""Our side of an SMPP connection: binds, submits, takes deliveries."""

from __future__ import annotations

from typing import Final, Generic, NamedTuple

from typing_extensions import override

from fzalert_sms import carrier
from fzalert_sms.carrier.session import (
    Congested,
    Delivered,
    Event,
    Handler,
    Limits,
    Opened,
    Refused,
    State,
)
from fzalert_sms.carrier.session.core import T
from fzalert_sms.carrier.session.keys import wire_key
from fzalert_sms.smpp.codec import (
    HEADER,
    Bind,
    BindResp,
    DataSm,
    Frame,
    MessageResp,
    ShortMessage,
    deliver_answer,
    encode,
)
from fzalert_sms.smpp.codec import layout as c
from fzalert_sms.smpp.ids import IdRule, answered_id
from fzalert_sms.smpp.session.grammar import SmppSession

NOT_TAKEN: Final = 0x65
"""ESME_RX_P_APPN: a delivery that will not be taken, however often it comes."""
NOT_BOUND: Final = 0x04
"""ESME_RINVBNDSTS: the centre does not know this connection as bound for what was asked."""
_AS_DATA: Final = b"data"


class Credentials(NamedTuple):
    """How this side binds.

    Attributes:
        account: system_id.
        secret: The password.
        command: bind_transceiver, bind_transmitter or bind_receiver.
        system_type: As the contract gives it.
        version: interface_version, 0x34 or 0x50.
        address_range: Numbers whose messages are wanted; empty leaves it to the centre.
    """

    account: str
    secret: str
    command: int = c.BIND_TRANSCEIVER
    system_type: str = ""
    version: int = 0x34
    address_range: str = ""

    @override
    def __repr__(self) -> str:
        return f"Credentials(account={self.account!r}, command={self.command:#x})"


class ClientSession(SmppSession[T], carrier.ClientSession[T, int, Frame], Generic[T]):
    """Binds, submits, takes deliveries.

    Args:
        credentials: How it binds.
        limits: The figures of the connection.
        first_sequence: Of its requests.
        message_id: How the ids of answers are brought to the form of receipts.
        congested_at: congestion_state, in percent, from which an answer is told as `Congested`.
    """

    answer_command = c.SUBMIT_SM_RESP

    def __init__(
        self,
        credentials: Credentials,
        *,
        limits: Limits,
        first_sequence: int = 1,
        message_id: IdRule = "as_is",
        congested_at: int = 80,
    ) -> None:
        super().__init__(limits=limits, first_sequence=first_sequence)
        self._credentials = credentials
        self._version = credentials.version
        self._read_id = answered_id(message_id)
        self._congested_at = congested_at

    @property
    @override
    def words(self) -> str:
        return f"SMPP {self._version >> 4}.{self._version & 15}"

    @override
    def key(self, began_at: int, slot: int, sequence: int) -> bytes:
        return wire_key(began_at, slot, sequence)

    def login(self, now: float) -> None:
        """Send the bind."""
        mine = self._credentials
        self.start(now)
        self._send(
            Bind(
                self.next_sequence(), mine.command, mine.account, mine.secret, mine.system_type,
                mine.version, address_range=mine.address_range,
            )
        )  # fmt: skip

    @override
    def _own_id(self, octets: bytes) -> bytes:
        return self._read_id(octets) if octets else octets

    @override
    def _delivery_answer(self, sequence: int, note: bytes, result: int) -> bytes:
        self._answered.append(sequence)
        status = NOT_TAKEN if result else c.OK
        if note == _AS_DATA:
            return encode(MessageResp(sequence, c.DATA_SM_RESP, status))
        return deliver_answer(sequence, status)

    @override
    def _login_table(self) -> dict[int, Handler]:
        answers = (c.BIND_TRANSCEIVER_RESP, c.BIND_TRANSMITTER_RESP, c.BIND_RECEIVER_RESP)
        return {**dict.fromkeys(answers, self._on_bound), c.GENERIC_NACK: self._on_refused}

    @override
    def _open_table(self) -> dict[int, Handler]:
        return {c.DELIVER_SM: self._on_delivery, c.DATA_SM: self._on_delivery}

    @override
    def _settle(self, sequence: int, carrier_id: bytes, result: int, events: list[Event]) -> None:
        super()._settle(sequence, carrier_id, result, events)
        if result == NOT_BOUND and not self.is_closed:
            self._close("the message centre says that we are not bound", events)

    @override
    def _on_answer(self, frame: bytes, now: float, events: list[Event]) -> None:
        super()._on_answer(frame, now, events)
        found = self._decode(frame)
        if isinstance(found, MessageResp):
            state = dict(found.tlvs).get(c.CONGESTION_STATE, b"")
            if len(state) == 1 and self._congested_at <= state[0]:
                events.append(Congested(state[0]))

    def _on_bound(self, frame: bytes, now: float, events: list[Event]) -> None:
        answer = self._decoded(frame, events)
        if not isinstance(answer, BindResp):
            self._close("the answer to the bind cannot be read", events)
            return
        if answer.status:
            self._on_refused(frame, now, events)
            return
        version = dict(answer.tlvs).get(c.SC_INTERFACE_VERSION, b"")
        if len(version) == 1 and version[0]:
            self._version = min(self._version, version[0])
        self.state = State.OPEN
        events.append(Opened(self._version))

    def _on_refused(self, frame: bytes, now: float, events: list[Event]) -> None:
        del now
        status = HEADER.unpack_from(frame)[2] or c.INVALID_COMMAND
        events.append(Refused(status))
        self._close(f"the bind was refused with status {status:#04x}", events)

    def _on_delivery(self, frame: bytes, now: float, events: list[Event]) -> None:
        del now
        found = self._decoded(frame, events)
        if isinstance(found, ShortMessage | DataSm):
            self.unacknowledged += 1
            events.append(Delivered(found))


def note_of(frame: ShortMessage | DataSm) -> bytes:
    """What tells `acknowledge` by which command a delivery came."""
    return _AS_DATA if isinstance(frame, DataSm) else b""
