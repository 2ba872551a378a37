"""Commands, lengths and tags of SMGP 3.0.

All integers are big-endian. Texts are fixed-length octet strings, padded on the right with zero.

Source: SMGP V3.0.3, chapters 6 and 7.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

LOGIN: Final = 0x0000_0001
SUBMIT: Final = 0x0000_0002
DELIVER: Final = 0x0000_0003
ACTIVE_TEST: Final = 0x0000_0004
EXIT: Final = 0x0000_0006
QUERY: Final = 0x0000_0007
RESPONSE: Final = 0x8000_0000
"""A response carries the command of its request with this bit set."""

LOGIN_RESP: Final = RESPONSE | LOGIN
SUBMIT_RESP: Final = RESPONSE | SUBMIT
DELIVER_RESP: Final = RESPONSE | DELIVER
ACTIVE_TEST_RESP: Final = RESPONSE | ACTIVE_TEST
EXIT_RESP: Final = RESPONSE | EXIT
QUERY_RESP: Final = RESPONSE | QUERY

HEADER: Final = Struct(">III")
"""PacketLength (header included), RequestID, SequenceID."""
MAX_FRAME: Final = 4096
"""Longest frame that is read. The text says 2 KiB, which 100 numbers and a text do not fit."""
VERSION: Final = 0x30
NO_ID: Final = bytes(10)
"""The MsgID of a refusal."""

TP_PID: Final = 0x0001
TP_UDHI: Final = 0x0002
LINK_ID: Final = 0x0003
CHARGE_USER_TYPE: Final = 0x0004
CHARGE_TERM_TYPE: Final = 0x0005
CHARGE_TERM_PSEUDO: Final = 0x0006
DEST_TERM_TYPE: Final = 0x0007
DEST_TERM_PSEUDO: Final = 0x0008
PK_TOTAL: Final = 0x0009
PK_NUMBER: Final = 0x000A
SUBMIT_MSG_TYPE: Final = 0x000B
SP_DEAL_RESULT: Final = 0x000C
SRC_TERM_TYPE: Final = 0x000D
SRC_TERM_PSEUDO: Final = 0x000E
NODES_COUNT: Final = 0x000F
MSG_SRC: Final = 0x0010
SRC_TYPE: Final = 0x0011
M_SERVICE_ID: Final = 0x0012

TLV_NAMES: Final[dict[int, str]] = {
    TP_PID: "TP_pid",
    TP_UDHI: "TP_udhi",
    LINK_ID: "LinkID",
    CHARGE_USER_TYPE: "ChargeUserType",
    CHARGE_TERM_TYPE: "ChargeTermType",
    CHARGE_TERM_PSEUDO: "ChargeTermPseudo",
    DEST_TERM_TYPE: "DestTermType",
    DEST_TERM_PSEUDO: "DestTermPseudo",
    PK_TOTAL: "PkTotal",
    PK_NUMBER: "PkNumber",
    SUBMIT_MSG_TYPE: "SubmitMsgType",
    SP_DEAL_RESULT: "SPDealResult",
    SRC_TERM_TYPE: "SrcTermType",
    SRC_TERM_PSEUDO: "SrcTermPseudo",
    NODES_COUNT: "NodesCount",
    MSG_SRC: "MsgSrc",
    SRC_TYPE: "SrcType",
    M_SERVICE_ID: "MServiceID",
}
"""The tags by the names of the protocol text (7.3)."""

LOGIN_BODY: Final = Struct(">8s16sBIB")
LOGIN_ANSWER: Final = Struct(">I16sB")
SUBMIT_HEAD: Final = Struct(">3B10s2s6s6sB17s17s21s21sB")
"""SUBMIT up to and including DestTermIDCount."""
NUMBER: Final = 21
"""Octets of a number."""
RESERVE: Final = 8
DELIVER_HEAD: Final = Struct(">10s2B14s21s21sB")
"""DELIVER up to and including MsgLength."""
ANSWER: Final = Struct(">10sI")
"""SUBMIT_RESP and DELIVER_RESP."""
QUERY_BODY: Final = Struct(">8sB10s")
QUERY_ANSWER: Final = Struct(">8sB10s8I8s")
