"""The gateway's two sides, as a simulator needs them: it takes texts, and it dials to deliver."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic

from typing_extensions import override

from fzalert_sms.carrier.session import (
    Event,
    Handler,
    Limits,
    LoggedIn,
    Opened,
    Refused,
    State,
    Submitted,
)
from fzalert_sms.carrier.session.core import T
from fzalert_sms.sgip.codec import (
    GATEWAY_TO_SP,
    SP_TO_GATEWAY,
    Bind,
    BindResp,
    DecodeError,
    Sequence,
    Submit,
    SubmitResp,
    Trace,
    TraceResp,
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


class ServerSession(SgipSession[T], Generic[T]):
    """Takes a login and submissions.

    Args:
        accounts: The password of each login name.
        sequences: Of the gateway.
        limits: The figures of the connection.
        refuse_with: A result that every login gets instead of its own, or 0.
        check: Asked for the result of a login that is right so far.
        repeated: Asked for the result of a text whose sequence came before, by its whole frame;
            None where it did not.

    Attributes:
        account: Who is logged in; empty before.
        receives: False: deliveries go out on connections that the gateway dials.
    """

    answer_command = c.DELIVER_RESP
    receives = False

    def __init__(
        self,
        accounts: Mapping[str, str],
        sequences: Sequences,
        *,
        limits: Limits,
        refuse_with: int = 0,
        check: Callable[[Bind], int] | None = None,
        repeated: Callable[[Sequence, bytes], int | None] | None = None,
    ) -> None:
        super().__init__(sequences, limits=limits)
        self.account = ""
        self._accounts = accounts
        self._refuse_with = refuse_with
        self._check = check
        self._repeated = repeated

    def answer(self, sequence: Sequence, carrier_id: bytes, result: int) -> None:
        """Answer a submission."""
        del carrier_id  # its sequence is its id
        if self.state in (State.OPEN, State.LEAVING):
            self._reply(SubmitResp(sequence, result))

    @override
    def _login_table(self) -> dict[int, Handler]:
        return {c.BIND: self._on_bind}

    @override
    def _open_table(self) -> dict[int, Handler]:
        return {c.SUBMIT: self._on_submit, c.TRACE: self._on_trace, c.BIND: self._on_second_bind}

    @override
    def _refuse(self, error: DecodeError[Sequence]) -> None:
        if error.command == c.SUBMIT:
            self._reply(SubmitResp(error.sequence, WRONG_FORMAT))

    def _on_bind(self, frame: bytes, now: float, events: list[Event]) -> None:
        del now
        asked = self._decoded(frame, events)
        if not isinstance(asked, Bind):
            self._close("the login cannot be read", events)
            return
        result = self._refuse_with or self._judge(asked)
        self._reply(BindResp(asked.sequence, result))
        if result:
            self._close(f"login refused with result {result}", events)
            return
        self.account = asked.login_name
        self.state = State.OPEN
        events.append(LoggedIn(asked))

    def _judge(self, asked: Bind) -> int:
        if self._accounts.get(asked.login_name) != asked.login_password:
            return WRONG_LOGIN
        if asked.login_type != SP_TO_GATEWAY:
            return WRONG_TYPE
        return self._check(asked) if self._check is not None else 0

    def _on_second_bind(self, frame: bytes, now: float, events: list[Event]) -> None:
        del now, events
        self._reply(BindResp(self._head(frame)[1], ALREADY_BOUND))

    def _on_submit(self, frame: bytes, now: float, events: list[Event]) -> None:
        del now
        found = self._decoded(frame, events)
        if not isinstance(found, Submit):
            return
        result = self._repeated(found.sequence, frame) if self._repeated is not None else None
        if result is None:
            events.append(Submitted(found))
        else:
            self._reply(SubmitResp(found.sequence, result))

    def _on_trace(self, frame: bytes, now: float, events: list[Event]) -> None:
        del now
        asked = self._decoded(frame, events)
        if isinstance(asked, Trace):
            self._reply(TraceResp(asked.sequence, ()))


class PushSession(SgipSession[T], Generic[T]):
    """Binds to the service provider's listener, and delivers.

    Args:
        account: For whom it delivers.
        sequences: Of the gateway.
        limits: The figures of the connection.

    Attributes:
        account: See above.
    """

    answer_command = c.DELIVER_RESP

    def __init__(self, account: str, sequences: Sequences, *, limits: Limits) -> None:
        super().__init__(sequences, limits=limits)
        self.account = account

    @property
    def receives(self) -> bool:
        """Whether deliveries may go out on it."""
        return self.state is State.OPEN

    def login(self, name: str, password: str, now: float, kind: int = GATEWAY_TO_SP) -> None:
        """Send Bind."""
        self.start(now)
        self._send(Bind(self.next_sequence(), kind, name, password))

    def answer(self, sequence: Sequence, carrier_id: bytes, result: int) -> None:
        """Nothing is submitted on it."""

    @override
    def _login_table(self) -> dict[int, Handler]:
        return {c.BIND_RESP: self._on_bind_resp}

    @override
    def _open_table(self) -> dict[int, Handler]:
        answers = (c.DELIVER_RESP, c.REPORT_RESP, c.USERRPT_RESP)
        return dict.fromkeys(answers, self._on_answer)

    @override
    def _refuse(self, error: DecodeError[Sequence]) -> None:
        """Only responses come here."""

    def _on_bind_resp(self, frame: bytes, now: float, events: list[Event]) -> None:
        del now
        answer = self._decoded(frame, events)
        if isinstance(answer, BindResp) and answer.result == 0:
            self.state = State.OPEN
            events.append(Opened(0x12))
            return
        result = answer.result if isinstance(answer, BindResp) else 0
        events.append(Refused(result))
        self._close(f"the login was refused with result {result}", events)
