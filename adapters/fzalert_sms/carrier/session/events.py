"""What a session tells its owner: plain tuples, in the order in which things happened.

The same for every protocol. A sequence is what the protocol counts requests by.
"""

from __future__ import annotations

import enum
from typing import Generic, NamedTuple, TypeVar

from typing_extensions import override

T = TypeVar("T")
F = TypeVar("F")


class State(enum.StrEnum):
    """Where a connection stands, from the first octet to the last."""

    AUTH = "auth"
    """Connected; the login is not answered yet."""
    OPEN = "open"
    LEAVING = "leaving"
    """The good-bye is sent; its answer is awaited."""
    CLOSED = "closed"
    """Nothing more is read or written; the owner closes the transport."""


class Limits(NamedTuple):
    """The figures of one connection, all times in seconds.

    Attributes:
        window: Requests that may be out and unanswered.
        late_after: Age at which an unanswered request is told as `Overdue`, once.
        request_timeout: Age at which it is given up (T).
        timeouts_in_row: Requests given up in a row after which the link counts as dead.
        keep_alive: Silence of the peer after which it is asked whether it lives (C).
        keep_alive_timeout: Time for its answer.
        keep_alive_tries: Questions in all before the link counts as dead (N).
        login_timeout: Time for the login.
        leave_timeout: Time for the answer to the good-bye.
        grace: Time that a peer which said good-bye has for the answers it still owes.
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
        version: The version in force, as the protocol's login writes it.
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
        sequence: Its sequence.
        carrier_id: The gateway's id, raw; where the protocol has none, that of the request.
        result: Its result.
        sent_at: When the request was given to the session.
        is_late: True where it was told as overdue or given up before.
    """

    token: T
    sequence: object
    carrier_id: bytes
    result: int
    sent_at: float
    is_late: bool


class Unreadable(NamedTuple, Generic[T]):
    """A request of ours was answered by a frame that cannot be read."""

    token: T
    sequence: object
    reason: str
    is_late: bool


class Overdue(NamedTuple, Generic[T]):
    """A request has been unanswered for `late_after`; it keeps its place in the window."""

    token: T
    sequence: object


class GivenUp(NamedTuple, Generic[T]):
    """A request has been unanswered for `request_timeout`; its place in the window is free.

    `was_told` is True where `Overdue` came before.
    """

    token: T
    sequence: object
    was_told: bool


class Stray(NamedTuple):
    """An answer to nothing that we know of."""

    sequence: object
    carrier_id: bytes
    result: int


class Delivered(NamedTuple, Generic[F]):
    """The gateway delivers a report or a message; the owner answers it with `acknowledge`."""

    frame: F


class Submitted(NamedTuple, Generic[F]):
    """Server: a text to answer."""

    frame: F


class LoggedIn(NamedTuple, Generic[F]):
    """Server: a right login, already answered."""

    frame: F

    @override
    def __repr__(self) -> str:
        return f"LoggedIn({self.frame!r})"


class Malformed(NamedTuple):
    """A frame that cannot be read; it was refused where that can be said, and the link goes on."""

    command: int
    sequence: object
    reason: str


class Ignored(NamedTuple):
    """A command that nobody expects here."""

    command: int
    sequence: object


class Congested(NamedTuple):
    """The gateway says that it is near its limit; `percent` is how full it is."""

    percent: int


class Closed(NamedTuple):
    """The connection is over for the protocol; send what is left, then close the transport.

    Attributes:
        reason: Why, as words for a log.
        by_peer: Whether the peer asked for it with its good-bye.
    """

    reason: str
    by_peer: bool = False
