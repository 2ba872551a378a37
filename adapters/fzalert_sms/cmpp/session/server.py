"""The gateway's side of a CMPP connection: what a simulator needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic

from typing_extensions import override

from fzalert_sms.carrier.session import Event, Handler, Limits, LoggedIn, State, Submitted
from fzalert_sms.carrier.session.core import T
from fzalert_sms.cmpp.codec import (
    HEADER,
    NO_ID,
    V30,
    CancelResp,
    Connect,
    ConnectResp,
    DecodeError,
    Layout,
    QueryResp,
    Submit,
    SubmitResp,
    encode,
    gateway_digest,
    is_from_account,
    layout_of,
)
from fzalert_sms.cmpp.codec import layout as c
from fzalert_sms.cmpp.codec.frames import Cancel, Query
from fzalert_sms.cmpp.session.grammar import VERSION_TOO_HIGH, CmppSession


class ServerSession(CmppSession[T], Generic[T]):
    """Takes a login and submissions, and delivers.

    Args:
        accounts: The secret of each SP_Id.
        limits: The figures of the connection; the window is that of our DELIVERs.
        layout: The layout of every frame, or None to take the one that the login asks for. Some
            clients ask for 2.0 and then speak 3.0.
        refuse_with: A status that every login gets instead of its own, or 0.
        highest: The highest version that is spoken; a login that asks for more gets status 4.
        check: Asked for the status of a login that is right so far.

    Attributes:
        account: Who is logged in; empty before.
        answers_tests: Whether ACTIVE_TEST is answered.
        bare_tests: Whether it is answered with a header alone.
    """

    answer_command = c.DELIVER_RESP
    receives = True

    def __init__(
        self,
        accounts: Mapping[str, str],
        *,
        limits: Limits,
        layout: Layout | None = None,
        refuse_with: int = 0,
        highest: int = 0xFF,
        check: Callable[[Connect], int] | None = None,
    ) -> None:
        super().__init__(limits=limits, layout=layout or V30)
        self.account = ""
        self.answers_tests = True
        self.bare_tests = False
        self._accounts = accounts
        self._forced = layout
        self._refuse_with = refuse_with
        self._highest = highest
        self._check = check

    def answer(self, sequence: int, msg_id: bytes, result: int) -> None:
        """Answer a submission."""
        if self.state in (State.OPEN, State.LEAVING):
            self._reply(SubmitResp(sequence, msg_id, result))

    @override
    def _login_table(self) -> dict[int, Handler]:
        return {c.CONNECT: self._on_connect}

    @override
    def _open_table(self) -> dict[int, Handler]:
        return {c.SUBMIT: self._on_submit, c.QUERY: self._on_query, c.CANCEL: self._on_cancel}

    @override
    def _refuse(self, error: DecodeError[int]) -> None:
        if error.command == c.SUBMIT:
            self._reply(SubmitResp(error.sequence, NO_ID, 1))

    @override
    def _on_test(self, frame: bytes, now: float, events: list[Event]) -> None:
        if self.answers_tests and self.bare_tests:
            sequence = HEADER.unpack_from(frame)[2]
            self._replies.append(HEADER.pack(HEADER.size, c.ACTIVE_TEST_RESP, sequence))
        elif self.answers_tests:
            super()._on_test(frame, now, events)

    def _on_connect(self, frame: bytes, now: float, events: list[Event]) -> None:
        del now
        asked = self._decoded(frame, events)
        if not isinstance(asked, Connect):
            self._close("the login cannot be read", events)
            return
        self.layout = self._forced or layout_of(min(asked.version, self._highest))
        secret = self._accounts.get(asked.source_addr)
        status = self._refuse_with or self._judge(asked, secret)
        digest = bytes(16)
        if status == 0 and secret is not None:
            digest = gateway_digest(0, self.layout.status, asked.authenticator, secret)
        answer = ConnectResp(asked.sequence, status, digest, self.layout.version)
        self._replies.append(encode(answer, self.layout))
        if status:
            self._close(f"login refused with status {status}", events)
            return
        self.account = asked.source_addr
        self.state = State.OPEN
        events.append(LoggedIn(asked))

    def _judge(self, asked: Connect, secret: str | None) -> int:
        if asked.version > self._highest:
            return VERSION_TOO_HIGH
        if secret is None:
            return 2
        if not is_from_account(asked, secret):
            return 3
        return self._check(asked) if self._check is not None else 0

    def _on_submit(self, frame: bytes, now: float, events: list[Event]) -> None:
        del now
        found = self._decoded(frame, events)
        if isinstance(found, Submit):
            events.append(Submitted(found))

    def _on_query(self, frame: bytes, now: float, events: list[Event]) -> None:
        del now
        asked = self._decoded(frame, events)
        if isinstance(asked, Query):
            self._reply(
                QueryResp(asked.sequence, asked.time, asked.query_type, asked.query_code, (0,) * 8)
            )

    def _on_cancel(self, frame: bytes, now: float, events: list[Event]) -> None:
        del now
        asked = self._decoded(frame, events)
        if isinstance(asked, Cancel):
            self._reply(CancelResp(asked.sequence, 1))
