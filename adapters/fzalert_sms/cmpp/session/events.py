"""What a session tells its owner: plain tuples, in the order in which things happened."""

from __future__ import annotations

import enum
from typing import Final, Generic, NamedTuple, TypeVar

from typing_extensions import override

from fzalert_sms.cmpp.codec import Connect, Deliver, Submit

T = TypeVar("T")

VERSION_TOO_HIGH: Final = 4
"""Status of a login whose version the gateway does not speak."""


class State(enum.StrEnum):
    """Where a connection stands, from the first octet to the last."""

    AUTH = "auth"
    """Connected; the login is not answered yet."""
    OPEN = "open"
    LEAVING = "leaving"
    """TERMINATE is sent; its answer is awaited."""
    CLOSED = "closed"
    """Nothing more is read or written; the owner closes the transport."""


class Limits(NamedTuple):
    """The figures of one connection, all times in seconds.

    Attributes:
        window: Requests that may be out and unanswered.
        late_after: Age at which an unanswered request is told as `Overdue`, once.
        request_timeout: Age at which it is given up (T).
        timeouts_in_row: Requests given up in a row after which the link counts as dead.
        keep_alive: Silence of the peer after which ACTIVE_TEST is sent (C).
        keep_alive_timeout: Time for its answer.
        keep_alive_tries: ACTIVE_TESTs in all before the link counts as dead (N).
        login_timeout: Time for the login.
        leave_timeout: Time for the answer to TERMINATE.
        grace: Time that a peer which sent TERMINATE has for the answers it still owes.
    """

    window: int = 16
    late_after: float = 3.0
    request_timeout: float = 60.0
    timeouts_in_row: int = 3
    keep_alive: float = 30.0
    keep_alive_timeout: float = 10.0
    keep_alive_tries: int = 3
    login_timeout: float = 30.0
    leave_timeout: float = 2.0
    grace: float = 1.0


class Opened(NamedTuple):
    """The login succeeded.

    Attributes:
        version: The version in force, in the form of CONNECT.
        warning: What was odd about the answer, or an empty string.
    """

    version: int
    warning: str = ""


class Refused(NamedTuple):
    """The login was refused; `Closed` follows."""

    status: int


class Answered(NamedTuple, Generic[T]):
    """A request of ours was answered.

    Attributes:
        token: What the owner gave with the request.
        sequence: Its Sequence_Id.
        msg_id: The gateway's id, raw.
        result: Its result.
        sent_at: When the request was given to the session.
        is_late: True where it was told as overdue or given up before.
    """

    token: T
    sequence: int
    msg_id: bytes
    result: int
    sent_at: float
    is_late: bool


class Unreadable(NamedTuple, Generic[T]):
    """A request of ours was answered by a frame that cannot be read."""

    token: T
    sequence: int
    reason: str
    is_late: bool


class Overdue(NamedTuple, Generic[T]):
    """A request has been unanswered for `late_after`; it keeps its place in the window."""

    token: T
    sequence: int


class GivenUp(NamedTuple, Generic[T]):
    """A request has been unanswered for `request_timeout`; its place in the window is free.

    `was_told` is True where `Overdue` came before.
    """

    token: T
    sequence: int
    was_told: bool


class Stray(NamedTuple):
    """An answer to nothing that we know of."""

    sequence: int
    msg_id: bytes
    result: int


class Delivered(NamedTuple):
    """The gateway delivers a report or a message; the owner answers it with `acknowledge`."""

    frame: Deliver


class Submitted(NamedTuple):
    """Server: a SUBMIT to answer."""

    frame: Submit


class LoggedIn(NamedTuple):
    """Server: a login with the right digest, already answered with 0."""

    frame: Connect

    @override
    def __repr__(self) -> str:
        return f"LoggedIn(version={self.frame.version:#04x})"


class Malformed(NamedTuple):
    """A frame that cannot be read; a request was answered with result 1, the link goes on."""

    command: int
    sequence: int
    reason: str


class Ignored(NamedTuple):
    """A command that nobody expects here."""

    command: int
    sequence: int


class Closed(NamedTuple):
    """The connection is over for the protocol; send what is left, then close the transport.

    Attributes:
        reason: Why, as words for a log.
        by_peer: Whether the peer asked for it with TERMINATE.
    """

    reason: str
    by_peer: bool = False
