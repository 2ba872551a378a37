"""The service provider's line for texts: it binds, submits, and says good-bye."""

from __future__ import annotations

from typing import ClassVar, Generic, NamedTuple

from typing_extensions import override

from fzalert_sms import carrier
from fzalert_sms.carrier.session import Event, Handler, Limits, Opened, Refused, State
from fzalert_sms.carrier.session.core import T
from fzalert_sms.sgip.codec import SP_TO_GATEWAY, Bind, BindResp, DecodeError, Frame, Sequence
from fzalert_sms.sgip.codec import layout as c
from fzalert_sms.sgip.session.grammar import REPEATED, SgipSession
from fzalert_sms.sgip.session.sequences import Sequences

_VERSION = 0x12
_MOST_RESENT = 4096


class Credentials(NamedTuple):
    """How this side logs in.

    Attributes:
        account: Login Name.
        secret: Login Password; it travels in clear.
    """

    account: str
    secret: str

    @override
    def __repr__(self) -> str:
        return f"Credentials(account={self.account!r})"


class ClientSession(SgipSession[T], carrier.ClientSession[T, Sequence, Frame], Generic[T]):
    """Binds and submits. Nothing is ever delivered on it."""

    answer_command = c.SUBMIT_RESP
    names_texts: ClassVar[bool] = True

    def __init__(self, credentials: Credentials, sequences: Sequences, *, limits: Limits) -> None:
        super().__init__(sequences, limits=limits)
        self._credentials = credentials
        self._resent: dict[Sequence, None] = {}

    @property
    @override
    def words(self) -> str:
        return "SGIP 1.2"

    @override
    def key(self, began_at: int, slot: int, sequence: Sequence) -> bytes:
        return sequence.pack()

    @override
    def again(self, key: bytes) -> Sequence | None:
        """See the base. An answer that is still out then counts for the text sent again."""
        if len(key) != 12:
            return None
        sequence = Sequence.unpack(key)
        if sequence.node != self._sequences.node:
            return None  # of a channel with another node: it names nothing here
        for table in (self._pending, self._overdue, self._given_up):
            table.pop(sequence, None)
        self._resent[sequence] = None
        if len(self._resent) > _MOST_RESENT:
            del self._resent[next(iter(self._resent))]
        return sequence

    def login(self, now: float) -> None:
        """Send Bind."""
        self.start(now)
        mine = self._credentials
        self._send(Bind(self.next_sequence(), SP_TO_GATEWAY, mine.account, mine.secret))

    @override
    def _read(self, sequence: Sequence, result: int) -> int:
        """A repeated sequence, answered to a text sent again, says that the first one was taken."""
        return 0 if result == REPEATED and sequence in self._resent else result

    @override
    def _delivery_answer(self, sequence: Sequence, note: bytes, result: int) -> bytes:
        raise TypeError("nothing is delivered on a connection that submits")

    @override
    def _login_table(self) -> dict[int, Handler]:
        return {c.BIND_RESP: self._on_bind_resp}

    @override
    def _open_table(self) -> dict[int, Handler]:
        return {}

    @override
    def _refuse(self, error: DecodeError[Sequence]) -> None:
        """Only responses come here; one that cannot be read has no answer."""

    def _on_bind_resp(self, frame: bytes, now: float, events: list[Event]) -> None:
        del now
        answer = self._decoded(frame, events)
        if not isinstance(answer, BindResp):
            self._close("the answer to the login cannot be read", events)
            return
        if answer.result:
            events.append(Refused(answer.result))
            self._close(f"the login was refused with result {answer.result}", events)
            return
        self.state = State.OPEN
        events.append(Opened(_VERSION))
