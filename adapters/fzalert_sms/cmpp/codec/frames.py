"""The frames of CMPP as plain tuples. No `repr` shows a number, a text or a digest.

Field names follow the protocol text. Msg_Id is opaque: eight raw octets.
"""

from __future__ import annotations

from typing import NamedTuple

from typing_extensions import override


class Connect(NamedTuple):
    """CMPP_CONNECT: the login.

    Attributes:
        sequence: Sequence_Id.
        source_addr: SP_Id, the account.
        authenticator: `MD5(Source_Addr, 9 zero octets, secret, timestamp)`.
        version: 0x20, 0x21 or 0x30.
        timestamp: MMDDHHMMSS as a number.
    """

    sequence: int
    source_addr: str
    authenticator: bytes
    version: int
    timestamp: int

    @override
    def __repr__(self) -> str:
        return f"Connect(sequence={self.sequence}, version={self.version:#04x})"


class ConnectResp(NamedTuple):
    """CMPP_CONNECT_RESP; `width` is how many octets the status had, which tells the layout."""

    sequence: int
    status: int
    authenticator: bytes
    version: int
    width: int = 4

    @override
    def __repr__(self) -> str:
        return f"ConnectResp(sequence={self.sequence}, status={self.status})"


class Submit(NamedTuple):
    """CMPP_SUBMIT: one text, or one part of a long one, to one or more numbers."""

    sequence: int
    msg_id: bytes
    pk_total: int
    pk_number: int
    registered_delivery: int
    msg_level: int
    service_id: str
    fee_user_type: int
    fee_terminal_id: str
    fee_terminal_type: int
    tp_pid: int
    tp_udhi: int
    msg_fmt: int
    msg_src: str
    fee_type: str
    fee_code: str
    valid_time: str
    at_time: str
    src_id: str
    destinations: tuple[str, ...]
    dest_terminal_type: int
    content: bytes
    tail: bytes

    @override
    def __repr__(self) -> str:
        return (
            f"Submit(sequence={self.sequence}, part={self.pk_number}/{self.pk_total},"
            f" destinations={len(self.destinations)}, octets={len(self.content)})"
        )


class SubmitResp(NamedTuple):
    """CMPP_SUBMIT_RESP."""

    sequence: int
    msg_id: bytes
    result: int


class Deliver(NamedTuple):
    """CMPP_DELIVER: a person's message, or a status report where `registered_delivery` is 1."""

    sequence: int
    msg_id: bytes
    dest_id: str
    service_id: str
    tp_pid: int
    tp_udhi: int
    msg_fmt: int
    src_terminal_id: str
    src_terminal_type: int
    registered_delivery: int
    content: bytes
    tail: bytes

    @override
    def __repr__(self) -> str:
        kind = "report" if self.registered_delivery else "message"
        return f"Deliver(sequence={self.sequence}, {kind}, octets={len(self.content)})"


class DeliverResp(NamedTuple):
    """CMPP_DELIVER_RESP."""

    sequence: int
    msg_id: bytes
    result: int


class Report(NamedTuple):
    """The content of a status report.

    Attributes:
        msg_id: Msg_Id that SUBMIT_RESP gave.
        stat: DELIVRD, UNDELIV, MB:0044 and so on, padding removed.
        submit_time: YYMMDDHHMM in the gateway's zone, or what stood there.
        done_time: The same for the end.
        dest_terminal_id: The addressee; empty where it could not be read.
        smsc_sequence: SMSC_sequence.
        is_odd: True where its length was neither that of 2.0 nor that of 3.0.
    """

    msg_id: bytes
    stat: str
    submit_time: str
    done_time: str
    dest_terminal_id: str
    smsc_sequence: int
    is_odd: bool = False

    @override
    def __repr__(self) -> str:
        return f"Report(msg_id={self.msg_id.hex()}, stat={self.stat!r})"


class Query(NamedTuple):
    """CMPP_QUERY: counters of one day; `query_type` 0 is all, 1 is one service."""

    sequence: int
    time: str
    query_type: int
    query_code: str


class QueryResp(NamedTuple):
    """CMPP_QUERY_RESP.

    Its counters are MT_TLMsg, MT_Tlusr, MT_Scs, MT_WT, MT_FL, MO_Scs, MO_WT and MO_FL.
    """

    sequence: int
    time: str
    query_type: int
    query_code: str
    counters: tuple[int, ...]


class Cancel(NamedTuple):
    """CMPP_CANCEL."""

    sequence: int
    msg_id: bytes


class CancelResp(NamedTuple):
    """CMPP_CANCEL_RESP; 0 is done, 1 is failed."""

    sequence: int
    success_id: int


class ActiveTest(NamedTuple):
    """CMPP_ACTIVE_TEST."""

    sequence: int


class ActiveTestResp(NamedTuple):
    """CMPP_ACTIVE_TEST_RESP."""

    sequence: int


class Terminate(NamedTuple):
    """CMPP_TERMINATE."""

    sequence: int


class TerminateResp(NamedTuple):
    """CMPP_TERMINATE_RESP."""

    sequence: int


class Unknown(NamedTuple):
    """A command that is none of the above; it is logged and not answered."""

    sequence: int
    command: int


Frame = (
    Connect
    | ConnectResp
    | Submit
    | SubmitResp
    | Deliver
    | DeliverResp
    | Query
    | QueryResp
    | Cancel
    | CancelResp
    | ActiveTest
    | ActiveTestResp
    | Terminate
    | TerminateResp
    | Unknown
)
