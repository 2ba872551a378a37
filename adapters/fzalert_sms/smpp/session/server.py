"""The message centre's side of an SMPP connection: what a simulator needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Generic

from typing_extensions import override

from fzalert_sms.carrier.session import Event, Handler, Limits, LoggedIn, State, Submitted
from fzalert_sms.carrier.session.core import T
from fzalert_sms.smpp.codec import Bind, BindResp, MessageResp, ShortMessage
from fzalert_sms.smpp.codec import layout as c
from fzalert_sms.smpp.session.grammar import SmppSession
from fzalert_sms.wire import Tlv

NOT_ALLOWED: Final = 0x04
"""ESME_RINVBNDSTS: this kind of bind may not ask for that."""
WRONG_PASSWORD: Final = 0x0E
WRONG_ACCOUNT: Final = 0x0F
_SENDS: Final = frozenset({c.BIND_TRANSMITTER, c.BIND_TRANSCEIVER})
_RECEIVES: Final = frozenset({c.BIND_RECEIVER, c.BIND_TRANSCEIVER})


class ServerSession(SmppSession[T], Generic[T]):
    """Takes a bind and submissions, and delivers.

    Args:
        accounts: The password of each system_id.
        limits: The figures of the connection; the window is that of our deliver_sm.
        refuse_with: A status that every bind gets instead of its own, or 0.
        check: Asked for the status of a bind that is right so far.

    Attributes:
        account: Who is bound; empty before.
        bound_by: The command of its bind.
        answers_tests: Whether enquire_link is answered.
        congestion: congestion_state of every answer; 0 leaves it out.
    """

    answer_command = c.DELIVER_SM_RESP

    def __init__(
        self,
        accounts: Mapping[str, str],
        *,
        limits: Limits,
        refuse_with: int = 0,
        check: Callable[[Bind], int] | None = None,
    ) -> None:
        super().__init__(limits=limits)
        self.account = ""
        self.bound_by = c.BIND_TRANSCEIVER
        self.answers_tests = True
        self.congestion = 0
        self._version = 0x34
        self._accounts = accounts
        self._refuse_with = refuse_with
        self._check = check

    @property
    def receives(self) -> bool:
        """Whether its bind asked for deliveries."""
        return self.bound_by in _RECEIVES

    def answer(self, sequence: int, message_id: bytes, status: int) -> None:
        """Answer a submission."""
        if self.state in (State.OPEN, State.LEAVING):
            told = (Tlv(c.CONGESTION_STATE, bytes((self.congestion,))),) if self.congestion else ()
            text = message_id.decode("latin-1")
            self._reply(MessageResp(sequence, c.SUBMIT_SM_RESP, status, text, told))

    @override
    def _login_table(self) -> dict[int, Handler]:
        kinds = (c.BIND_TRANSCEIVER, c.BIND_TRANSMITTER, c.BIND_RECEIVER)
        return dict.fromkeys(kinds, self._on_bind)

    @override
    def _open_table(self) -> dict[int, Handler]:
        return {c.SUBMIT_SM: self._on_submit}

    @override
    def _on_test(self, frame: bytes, now: float, events: list[Event]) -> None:
        if self.answers_tests:
            super()._on_test(frame, now, events)

    def _on_bind(self, frame: bytes, now: float, events: list[Event]) -> None:
        del now
        asked = self._decoded(frame, events)
        if not isinstance(asked, Bind):
            self._close("the bind cannot be read", events)
            return
        status = self._refuse_with or self._judge(asked)
        answer = asked.command | c.RESPONSE
        if status:
            self._reply(BindResp(asked.sequence, answer, status))
            self._close(f"bind refused with status {status:#04x}", events)
            return
        self._version = 0x50 if asked.interface_version >= 0x50 else 0x34
        told = (Tlv(c.SC_INTERFACE_VERSION, bytes((self._version,))),)
        self._reply(BindResp(asked.sequence, answer, c.OK, "FZALERT-SIM", told))
        self.account = asked.system_id
        self.bound_by = asked.command
        self.state = State.OPEN
        events.append(LoggedIn(asked))

    def _judge(self, asked: Bind) -> int:
        secret = self._accounts.get(asked.system_id)
        if secret is None:
            return WRONG_ACCOUNT
        if secret != asked.password:
            return WRONG_PASSWORD
        return self._check(asked) if self._check is not None else c.OK

    def _on_submit(self, frame: bytes, now: float, events: list[Event]) -> None:
        del now
        found = self._decoded(frame, events)
        if not isinstance(found, ShortMessage):
            return
        if self.bound_by in _SENDS:
            events.append(Submitted(found))
        else:
            self._reply(MessageResp(found.sequence, c.SUBMIT_SM_RESP, NOT_ALLOWED))
