"""The frames of SMGP 3.0 as plain tuples. No `repr` shows a number, a text or a digest.

Field names follow the protocol text. MsgID is opaque: ten raw octets.
"""

from __future__ import annotations

from typing import NamedTuple

from typing_extensions import override

from fzalert_sms.wire import Tlv


class Login(NamedTuple):
    """Login.

    Attributes:
        sequence: SequenceID.
        client_id: ClientID, the account.
        authenticator: `MD5(ClientID, 7 zero octets, secret, timestamp)`.
        login_mode: 0 sends, 1 receives, 2 does both.
        timestamp: MMDDHHMMSS as a number.
        client_version: 0x30.
    """

    sequence: int
    client_id: str
    authenticator: bytes
    login_mode: int
    timestamp: int
    client_version: int

    @override
    def __repr__(self) -> str:
        return f"Login(sequence={self.sequence}, mode={self.login_mode})"


class LoginResp(NamedTuple):
    """Login_Resp."""

    sequence: int
    status: int
    authenticator: bytes
    server_version: int

    @override
    def __repr__(self) -> str:
        return f"LoginResp(sequence={self.sequence}, status={self.status})"


class Submit(NamedTuple):
    """Submit: one text, or one part of a long one, to one or more numbers.

    Attributes:
        reserve: Eight octets, zero.
        tlvs: Optional fields, in ascending order of their tags where we write them.
        is_cut: Whether the last optional field was cut off.
    """

    sequence: int
    msg_type: int
    need_report: int
    priority: int
    service_id: str
    fee_type: str
    fee_code: str
    fixed_fee: str
    msg_format: int
    valid_time: str
    at_time: str
    src_term_id: str
    charge_term_id: str
    dest_term_ids: tuple[str, ...]
    content: bytes
    reserve: bytes = bytes(8)
    tlvs: tuple[Tlv, ...] = ()
    is_cut: bool = False

    @override
    def __repr__(self) -> str:
        return (
            f"Submit(sequence={self.sequence}, destinations={len(self.dest_term_ids)},"
            f" octets={len(self.content)})"
        )


class SubmitResp(NamedTuple):
    """Submit_Resp."""

    sequence: int
    msg_id: bytes
    status: int


class Deliver(NamedTuple):
    """Deliver: a person's message, or a status report where `is_report` is 1."""

    sequence: int
    msg_id: bytes
    is_report: int
    msg_format: int
    recv_time: str
    src_term_id: str
    dest_term_id: str
    content: bytes
    reserve: bytes = bytes(8)
    tlvs: tuple[Tlv, ...] = ()
    is_cut: bool = False

    @override
    def __repr__(self) -> str:
        kind = "report" if self.is_report else "message"
        return f"Deliver(sequence={self.sequence}, {kind}, octets={len(self.content)})"


class DeliverResp(NamedTuple):
    """Deliver_Resp."""

    sequence: int
    msg_id: bytes
    status: int


class Report(NamedTuple):
    """The content of a status report.

    Attributes:
        msg_id: MsgID that Submit_Resp gave, ten octets.
        sub: Texts submitted, three digits.
        dlvrd: Texts delivered, three digits.
        submit_date: YYMMDDhhmm, or what stood there.
        done_date: The same for the end.
        stat: DELIVRD, UNDELIV and so on, padding removed.
        err: Error code, one to three characters.
        text: The octets after `Text:`, padding included.
        is_odd: Whether it was not written as the protocol text says.
    """

    msg_id: bytes
    sub: str
    dlvrd: str
    submit_date: str
    done_date: str
    stat: str
    err: str
    text: bytes
    is_odd: bool = False

    @override
    def __repr__(self) -> str:
        return f"Report(msg_id={self.msg_id.hex()}, stat={self.stat!r})"


class Query(NamedTuple):
    """Query: counters of one day; `query_type` 0 is all, 1 is one service."""

    sequence: int
    query_time: str
    query_type: int
    query_code: str


class QueryResp(NamedTuple):
    """Query_Resp.

    Its counters are MT_TLMsg, MT_Tlusr, MT_Scs, MT_WT, MT_FL, MO_Scs, MO_WT and MO_FL.
    """

    sequence: int
    query_time: str
    query_type: int
    query_code: str
    counters: tuple[int, ...]


class ActiveTest(NamedTuple):
    """Active_Test."""

    sequence: int


class ActiveTestResp(NamedTuple):
    """Active_Test_Resp."""

    sequence: int


class Exit(NamedTuple):
    """Exit: the good-bye."""

    sequence: int


class ExitResp(NamedTuple):
    """Exit_Resp."""

    sequence: int


class Unknown(NamedTuple):
    """A command that is none of the above; it is logged and not answered."""

    sequence: int
    command: int


Frame = (
    Login
    | LoginResp
    | Submit
    | SubmitResp
    | Deliver
    | DeliverResp
    | Query
    | QueryResp
    | ActiveTest
    | ActiveTestResp
    | Exit
    | ExitResp
    | Unknown
)
