"""The frames of SGIP 1.2 as plain tuples. No `repr` shows a number, a text or a password.

Field names follow the protocol text.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from typing_extensions import override

_SEQUENCE = Struct(">3I")


class Sequence(NamedTuple):
    """A Sequence Number: who sent a request, when, and which one it was. A response repeats it.

    Attributes:
        node: Source node; that of a service provider is 3, its area code and its company code.
        moment: MMDDHHMMSS as a number.
        counter: Counts from 0 and wraps.
    """

    node: int
    moment: int
    counter: int

    def pack(self) -> bytes:
        """The twelve octets: by them a report names the text that it is about."""
        return _SEQUENCE.pack(*self)

    @classmethod
    def unpack(cls, octets: bytes) -> Sequence:
        """Read the twelve octets."""
        return cls(*_SEQUENCE.unpack(octets))


class Bind(NamedTuple):
    """BIND: the login. The password travels in clear.

    Attributes:
        sequence: Sequence Number.
        login_type: 1 from a service provider, 2 from a gateway.
        login_name: The account.
        login_password: Its password.
    """

    sequence: Sequence
    login_type: int
    login_name: str
    login_password: str

    @override
    def __repr__(self) -> str:
        return f"Bind(login_type={self.login_type})"


class BindResp(NamedTuple):
    """BIND_RESP."""

    sequence: Sequence
    result: int


class Unbind(NamedTuple):
    """UNBIND: the good-bye."""

    sequence: Sequence


class UnbindResp(NamedTuple):
    """UNBIND_RESP; some peers put more octets behind it."""

    sequence: Sequence


class Submit(NamedTuple):
    """SUBMIT: one text, or one part of a long one, to one or more numbers."""

    sequence: Sequence
    sp_number: str
    charge_number: str
    user_numbers: tuple[str, ...]
    corp_id: str
    service_type: str
    fee_type: int
    fee_value: str
    given_value: str
    agent_flag: int
    morelate_to_mt_flag: int
    priority: int
    expire_time: str
    schedule_time: str
    report_flag: int
    tp_pid: int
    tp_udhi: int
    message_coding: int
    message_type: int
    content: bytes
    reserve: bytes = bytes(8)

    @override
    def __repr__(self) -> str:
        return (
            f"Submit(counter={self.sequence.counter}, destinations={len(self.user_numbers)},"
            f" octets={len(self.content)})"
        )


class SubmitResp(NamedTuple):
    """SUBMIT_RESP."""

    sequence: Sequence
    result: int


class Deliver(NamedTuple):
    """DELIVER: a person's message."""

    sequence: Sequence
    user_number: str
    sp_number: str
    tp_pid: int
    tp_udhi: int
    message_coding: int
    content: bytes
    reserve: bytes = bytes(8)

    @override
    def __repr__(self) -> str:
        return f"Deliver(counter={self.sequence.counter}, octets={len(self.content)})"


class DeliverResp(NamedTuple):
    """DELIVER_RESP."""

    sequence: Sequence
    result: int


class Report(NamedTuple):
    """REPORT: what became of a text.

    Attributes:
        sequence: Sequence Number of the report itself.
        submit_sequence: That of the SUBMIT.
        report_type: 0 is about a SUBMIT.
        user_number: The addressee.
        state: 0 delivered, 1 waiting, 2 failed.
        error_code: Why it failed.
    """

    sequence: Sequence
    submit_sequence: Sequence
    report_type: int
    user_number: str
    state: int
    error_code: int

    @override
    def __repr__(self) -> str:
        return (
            f"Report(counter={self.submit_sequence.counter}, state={self.state},"
            f" error_code={self.error_code})"
        )


class ReportResp(NamedTuple):
    """REPORT_RESP."""

    sequence: Sequence
    result: int


class Trace(NamedTuple):
    """TRACE: where a text is."""

    sequence: Sequence
    submit_sequence: Sequence
    user_number: str

    @override
    def __repr__(self) -> str:
        return f"Trace(counter={self.submit_sequence.counter})"


class TraceNode(NamedTuple):
    """One node that a text passed; times as YYMMDDhhmmss."""

    result: int
    node_id: str
    receive_time: str
    send_time: str


class TraceResp(NamedTuple):
    """TRACE_RESP."""

    sequence: Sequence
    nodes: tuple[TraceNode, ...]


class UserRpt(NamedTuple):
    """USERRPT: a user cancelled (0), was suspended (1) or restored (2)."""

    sequence: Sequence
    sp_number: str
    user_number: str
    user_condition: int

    @override
    def __repr__(self) -> str:
        return f"UserRpt(user_condition={self.user_condition})"


class UserRptResp(NamedTuple):
    """USERRPT_RESP."""

    sequence: Sequence
    result: int


class Unknown(NamedTuple):
    """A command that is none of the above; it is logged, and a request is answered with 7."""

    sequence: Sequence
    command: int


Frame = (
    Bind
    | BindResp
    | Unbind
    | UnbindResp
    | Submit
    | SubmitResp
    | Deliver
    | DeliverResp
    | Report
    | ReportResp
    | Trace
    | TraceResp
    | UserRpt
    | UserRptResp
    | Unknown
)
