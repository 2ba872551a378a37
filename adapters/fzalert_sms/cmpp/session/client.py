"""The service provider's side of a CMPP connection."""

from __future__ import annotations

from typing import Generic, NamedTuple

from typing_extensions import override

from fzalert_sms import carrier
from fzalert_sms.carrier.session import Delivered, Event, Handler, Limits, Opened, Refused, State
from fzalert_sms.carrier.session.core import T
from fzalert_sms.carrier.session.keys import wire_key
from fzalert_sms.cmpp.codec import (
    NO_ID,
    V20,
    V30,
    Connect,
    ConnectResp,
    DecodeError,
    Deliver,
    DeliverResp,
    Frame,
    Layout,
    deliver_answer,
    is_from_gateway,
    source_digest,
)
from fzalert_sms.cmpp.codec import layout as c
from fzalert_sms.cmpp.session.grammar import VERSION_TOO_HIGH, CmppSession


class Credentials(NamedTuple):
    """How this side logs in.

    Attributes:
        account: SP_Id.
        secret: The shared secret.
        version: The version asked for: 0x30 or 0x20.
        pads: Whether a short account is padded before it is hashed.
        is_strict: Whether a wrong digest of the gateway ends the connection.
        steps_down: Whether a gateway that answers in a lower version is taken.
    """

    account: str
    secret: str
    version: int = V30.version
    pads: bool = False
    is_strict: bool = False
    steps_down: bool = True

    @override
    def __repr__(self) -> str:
        return f"Credentials(account={self.account!r}, version={self.version:#04x})"


class ClientSession(CmppSession[T], carrier.ClientSession[T, int, Frame], Generic[T]):
    """Logs in, submits, takes deliveries."""

    answer_command = c.SUBMIT_RESP

    def __init__(
        self,
        credentials: Credentials,
        *,
        limits: Limits,
        layout: Layout = V30,
        first_sequence: int = 1,
    ) -> None:
        super().__init__(limits=limits, layout=layout, first_sequence=first_sequence)
        self._credentials = credentials
        self._digest = b""

    @property
    @override
    def words(self) -> str:
        version = self.layout.version
        return f"CMPP {version >> 4}.{version & 15}"

    @override
    def key(self, began_at: int, slot: int, sequence: int) -> bytes:
        return wire_key(began_at, slot, sequence)

    def login(self, timestamp: int, now: float) -> None:
        """Send CONNECT; `timestamp` is MMDDHHMMSS in the gateway's zone."""
        mine = self._credentials
        self._digest = source_digest(mine.account, mine.secret, timestamp, pads=mine.pads)
        self.start(now)
        sequence = self.next_sequence()
        self._send(Connect(sequence, mine.account, self._digest, mine.version, timestamp))

    @override
    def _delivery_answer(self, sequence: int, note: bytes, result: int) -> bytes:
        return deliver_answer(sequence, note, result, self.layout)

    @override
    def _login_table(self) -> dict[int, Handler]:
        return {c.CONNECT_RESP: self._on_connect_resp}

    @override
    def _open_table(self) -> dict[int, Handler]:
        return {c.DELIVER: self._on_deliver}

    @override
    def _refuse(self, error: DecodeError[int]) -> None:
        if error.command == c.DELIVER:
            self._reply(DeliverResp(error.sequence, error.note or NO_ID, 1))

    def _on_connect_resp(self, frame: bytes, now: float, events: list[Event]) -> None:
        del now
        answer = self._decoded(frame, events)
        if not isinstance(answer, ConnectResp):
            self._close("the answer to the login cannot be read", events)
            return
        if answer.status:
            events.append(Refused(answer.status))
            self._close(f"the login was refused with status {answer.status}", events)
            return
        mine = self._credentials
        warning = ""
        if not is_from_gateway(0, answer.authenticator, self._digest, mine.secret):
            warning = "the gateway's digest is wrong"
            if mine.is_strict:
                self._close(warning, events)
                return
        # Some gateways name a version that they do not speak: the length of the answer tells.
        self.layout = V20 if answer.width == V20.status else V30
        if self.layout.version < mine.version:
            warning = warning or "the gateway answered in the layout of 2.0"
            if not mine.steps_down:
                events.append(Refused(VERSION_TOO_HIGH))
                self._close(warning, events)
                return
        self.state = State.OPEN
        events.append(Opened(answer.version, warning))

    def _on_deliver(self, frame: bytes, now: float, events: list[Event]) -> None:
        del now
        found = self._decoded(frame, events)
        if isinstance(found, Deliver):
            self.unacknowledged += 1
            events.append(Delivered(found))
