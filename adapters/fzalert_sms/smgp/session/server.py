"""The gateway's side of an SMGP connection: what a simulator needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic

from typing_extensions import override

from fzalert_sms.carrier.session import Event, Handler, Limits, LoggedIn, State, Submitted
from fzalert_sms.carrier.session.core import T
from fzalert_sms.smgp.codec import (
    NO_ID,
    VERSION,
    DecodeError,
    Login,
    LoginResp,
    Query,
    QueryResp,
    Submit,
    SubmitResp,
    is_from_account,
    server_digest,
)
from fzalert_sms.smgp.codec import layout as c
from fzalert_sms.smgp.session.grammar import WRONG_STRUCTURE, SmgpSession

WRONG_LOGIN = 21
"""Status of a login whose digest is wrong (SMGP V3.0.3, annex A)."""
SENDS, RECEIVES = frozenset({0, 2}), frozenset({1, 2})
"""The login modes that may submit, and those that get deliveries."""


class ServerSession(SmgpSession[T], Generic[T]):
    """Takes a login and submissions, and delivers.

    Args:
        accounts: The secret of each ClientID.
        limits: The figures of the connection; the window is that of our Delivers.
        refuse_with: A status that every login gets instead of its own, or 0.
        check: Asked for the status of a login that is right so far.

    Attributes:
        account: Who is logged in; empty before.
        mode: Its login mode.
        answers_tests: Whether Active_Test is answered.
    """

    answer_command = c.DELIVER_RESP

    def __init__(
        self,
        accounts: Mapping[str, str],
        *,
        limits: Limits,
        refuse_with: int = 0,
        check: Callable[[Login], int] | None = None,
    ) -> None:
        super().__init__(limits=limits)
        self.account = ""
        self.mode = 2
        self.answers_tests = True
        self._accounts = accounts
        self._refuse_with = refuse_with
        self._check = check

    @property
    def receives(self) -> bool:
        """Whether its login asked for deliveries."""
        return self.mode in RECEIVES

    def answer(self, sequence: int, msg_id: bytes, status: int) -> None:
        """Answer a submission."""
        if self.state in (State.OPEN, State.LEAVING):
            self._reply(SubmitResp(sequence, msg_id, status))

    @override
    def _login_table(self) -> dict[int, Handler]:
        return {c.LOGIN: self._on_login}

    @override
    def _open_table(self) -> dict[int, Handler]:
        return {c.SUBMIT: self._on_submit, c.QUERY: self._on_query}

    @override
    def _refuse(self, error: DecodeError[int]) -> None:
        if error.command == c.SUBMIT:
            self._reply(SubmitResp(error.sequence, NO_ID, WRONG_STRUCTURE))

    @override
    def _on_test(self, frame: bytes, now: float, events: list[Event]) -> None:
        if self.answers_tests:
            super()._on_test(frame, now, events)

    def _on_login(self, frame: bytes, now: float, events: list[Event]) -> None:
        del now
        asked = self._decoded(frame, events)
        if not isinstance(asked, Login):
            self._close("the login cannot be read", events)
            return
        secret = self._accounts.get(asked.client_id)
        status = self._refuse_with or self._judge(asked, secret)
        digest = bytes(16)
        if status == 0 and secret is not None:
            digest = server_digest(0, asked.authenticator, secret)
        self._reply(LoginResp(asked.sequence, status, digest, VERSION))
        if status:
            self._close(f"login refused with status {status}", events)
            return
        self.account = asked.client_id
        self.mode = asked.login_mode
        self.state = State.OPEN
        events.append(LoggedIn(asked))

    def _judge(self, asked: Login, secret: str | None) -> int:
        if secret is None or not is_from_account(asked, secret):
            return WRONG_LOGIN
        return self._check(asked) if self._check is not None else 0

    def _on_submit(self, frame: bytes, now: float, events: list[Event]) -> None:
        del now
        found = self._decoded(frame, events)
        if not isinstance(found, Submit):
            return
        if self.mode in SENDS:
            events.append(Submitted(found))
        else:
            self._reply(SubmitResp(found.sequence, NO_ID, 11))

    def _on_query(self, frame: bytes, now: float, events: list[Event]) -> None:
        del now
        asked = self._decoded(frame, events)
        if isinstance(asked, Query):
            day, kind, code = asked.query_time, asked.query_type, asked.query_code
            self._reply(QueryResp(asked.sequence, day, kind, code, (0,) * 8))
