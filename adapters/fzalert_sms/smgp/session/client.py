"""The service provider's side of an SMGP connection."""

from __future__ import annotations

from typing import Generic, NamedTuple

from typing_extensions import override

from fzalert_sms import carrier
from fzalert_sms.carrier.session import Delivered, Event, Handler, Limits, Opened, Refused, State
from fzalert_sms.carrier.session.core import T
from fzalert_sms.carrier.session.keys import wire_key
from fzalert_sms.smgp.codec import (
    NO_ID,
    VERSION,
    DecodeError,
    Deliver,
    DeliverResp,
    Frame,
    Login,
    LoginResp,
    client_digest,
    deliver_answer,
    is_from_gateway,
)
from fzalert_sms.smgp.codec import layout as c
from fzalert_sms.smgp.session.grammar import WRONG_STRUCTURE, SmgpSession


class Credentials(NamedTuple):
    """How this side logs in.

    Attributes:
        account: ClientID.
        secret: The shared secret.
        login_mode: 0 sends, 1 receives, 2 does both.
        is_strict: Whether a wrong digest of the gateway ends the connection.
    """

    account: str
    secret: str
    login_mode: int = 2
    is_strict: bool = False

    @override
    def __repr__(self) -> str:
        return f"Credentials(account={self.account!r}, login_mode={self.login_mode})"


class ClientSession(SmgpSession[T], carrier.ClientSession[T, int, Frame], Generic[T]):
    """Logs in, submits, takes deliveries."""

    answer_command = c.SUBMIT_RESP

    def __init__(
        self, credentials: Credentials, *, limits: Limits, first_sequence: int = 1
    ) -> None:
        super().__init__(limits=limits, first_sequence=first_sequence)
        self._credentials = credentials
        self._digest = b""
        self._version = VERSION

    @property
    @override
    def words(self) -> str:
        return f"SMGP {self._version >> 4}.{self._version & 15}"

    @override
    def key(self, began_at: int, slot: int, sequence: int) -> bytes:
        return wire_key(began_at, slot, sequence)

    def login(self, timestamp: int, now: float) -> None:
        """Send Login; `timestamp` is MMDDHHMMSS in the gateway's zone."""
        mine = self._credentials
        self._digest = client_digest(mine.account, mine.secret, timestamp)
        self.start(now)
        sequence = self.next_sequence()
        self._send(Login(sequence, mine.account, self._digest, mine.login_mode, timestamp, VERSION))

    @override
    def _delivery_answer(self, sequence: int, note: bytes, result: int) -> bytes:
        return deliver_answer(sequence, note, WRONG_STRUCTURE if result else 0)

    @override
    def _login_table(self) -> dict[int, Handler]:
        return {c.LOGIN_RESP: self._on_login_resp}

    @override
    def _open_table(self) -> dict[int, Handler]:
        return {c.DELIVER: self._on_deliver}

    @override
    def _refuse(self, error: DecodeError[int]) -> None:
        if error.command == c.DELIVER:
            self._reply(DeliverResp(error.sequence, error.note or NO_ID, WRONG_STRUCTURE))

    def _on_login_resp(self, frame: bytes, now: float, events: list[Event]) -> None:
        del now
        answer = self._decoded(frame, events)
        if not isinstance(answer, LoginResp):
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
        self._version = answer.server_version
        self.state = State.OPEN
        events.append(Opened(answer.server_version, warning))

    def _on_deliver(self, frame: bytes, now: float, events: list[Event]) -> None:
        del now
        found = self._decoded(frame, events)
        if isinstance(found, Deliver):
            self.unacknowledged += 1
            events.append(Delivered(found))
