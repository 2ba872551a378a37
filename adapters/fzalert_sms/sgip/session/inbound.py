"""Our listener's side of a connection that the gateway dialled: reports, replies, news of users."""

from __future__ import annotations

from hmac import compare_digest
from typing import Generic, NamedTuple

from typing_extensions import override

from fzalert_sms import carrier
from fzalert_sms.carrier.session import (
    Delivered,
    Event,
    Handler,
    Limits,
    LoggedIn,
    Refused,
    State,
)
from fzalert_sms.carrier.session.core import T
from fzalert_sms.sgip.codec import (
    GATEWAY_TO_SP,
    SP_TO_GATEWAY,
    Bind,
    BindResp,
    DecodeError,
    Deliver,
    Frame,
    Report,
    Sequence,
    UserRpt,
    result_answer,
)
from fzalert_sms.sgip.codec import layout as c
from fzalert_sms.sgip.session.grammar import (
    ALREADY_BOUND,
    WRONG_FORMAT,
    WRONG_LOGIN,
    WRONG_TYPE,
    SgipSession,
)
from fzalert_sms.sgip.session.sequences import Sequences

_DELIVERIES = frozenset({c.DELIVER, c.REPORT, c.USERRPT})
_ANSWERING = frozenset({State.OPEN, State.LEAVING})


class Door(NamedTuple):
    """Who may come in.

    Attributes:
        account: Login Name that the gateway was given.
        secret: Its password.
        takes_type_1: Whether a gateway that binds with type 1 is let in.
    """

    account: str
    secret: str
    takes_type_1: bool = True

    @override
    def __repr__(self) -> str:
        return f"Door(account={self.account!r})"

    def result_for(self, asked: Bind) -> int:
        """The result of a login; it takes the same time whatever is wrong."""
        is_name = compare_digest(asked.login_name.encode(), self.account.encode())
        is_secret = compare_digest(asked.login_password.encode(), self.secret.encode())
        if not (is_name and is_secret):
            return WRONG_LOGIN
        is_type = asked.login_type == GATEWAY_TO_SP or (
            self.takes_type_1 and asked.login_type == SP_TO_GATEWAY
        )
        return 0 if is_type else WRONG_TYPE


class InboundSession(SgipSession[T], carrier.ClientSession[T, Sequence, Frame], Generic[T]):
    """Takes a login and deliveries; sends nothing but answers.

    Args:
        door: Who may come in.
        sequences: Of the channel.
        limits: Its figures; `keep_alive` is how long it may be silent.
    """

    answer_command = c.SUBMIT_RESP

    def __init__(self, door: Door, sequences: Sequences, *, limits: Limits) -> None:
        super().__init__(sequences, limits=limits)
        self._door = door

    @property
    @override
    def words(self) -> str:
        return "SGIP 1.2"

    @override
    def key(self, began_at: int, slot: int, sequence: Sequence) -> bytes:
        return sequence.pack()

    @override
    def tick(self, now: float) -> list[Event]:
        events = super().tick(now)
        if self.state is State.OPEN and now - self._heard_at >= self.limits.keep_alive:
            self._close("the gateway said nothing for too long", events)
        return events

    @property
    @override
    def _owes(self) -> bool:
        return self.unacknowledged > 0

    @override
    def _delivery_answer(self, sequence: Sequence, note: bytes, result: int) -> bytes:
        command = int.from_bytes(note, "big")
        return result_answer(command, sequence, WRONG_FORMAT if result else 0)

    @override
    def _login_table(self) -> dict[int, Handler]:
        return {c.BIND: self._on_bind}

    @override
    def _open_table(self) -> dict[int, Handler]:
        return {
            c.BIND: self._on_second_bind,
            c.DELIVER: self._on_delivery,
            c.REPORT: self._on_delivery,
            c.USERRPT: self._on_delivery,
        }

    @override
    def _refuse(self, error: DecodeError[Sequence]) -> None:
        if error.command in _DELIVERIES and self.state in _ANSWERING:
            self._replies.append(result_answer(error.command, error.sequence, WRONG_FORMAT))

    def _on_bind(self, frame: bytes, now: float, events: list[Event]) -> None:
        del now
        asked = self._decoded(frame, events)
        if not isinstance(asked, Bind):
            self._close("the login cannot be read", events)
            return
        result = self._door.result_for(asked)
        self._reply(BindResp(asked.sequence, result))
        if result:
            events.append(Refused(result))
            self._close(f"login refused with result {result}", events)
            return
        self.state = State.OPEN
        events.append(LoggedIn(asked))

    def _on_second_bind(self, frame: bytes, now: float, events: list[Event]) -> None:
        del now, events
        self._reply(BindResp(self._head(frame)[1], ALREADY_BOUND))

    def _on_delivery(self, frame: bytes, now: float, events: list[Event]) -> None:
        del now
        found = self._decoded(frame, events)
        if isinstance(found, (Deliver, Report, UserRpt)):
            self.unacknowledged += 1
            events.append(Delivered(found))
