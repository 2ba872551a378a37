"""Says what a frame is and what stands in each of its fields, under the protocol's own names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from fzalert_sms.cmpp.codec import V20, V30
from fzalert_sms.decoding.cmpp import explain_cmpp
from fzalert_sms.decoding.fields import Found, mask_fields
from fzalert_sms.decoding.sgip import explain_sgip
from fzalert_sms.decoding.smgp import explain_smgp
from fzalert_sms.decoding.smpp import explain_smpp

__all__ = ["PROTOCOLS", "Explained", "explain"]

PROTOCOLS: Final[dict[str, Callable[[bytes], Found]]] = {
    "cmpp20": lambda frame: explain_cmpp(frame, V20),
    "cmpp30": lambda frame: explain_cmpp(frame, V30),
    "sgip12": explain_sgip,
    "smgp30": explain_smgp,
    "smpp34": explain_smpp,
}
"""Each protocol and version that can be explained."""


@dataclass(frozen=True, slots=True)
class Explained:
    """One frame.

    Attributes:
        protocol: One of `PROTOCOLS`.
        pdu: Its name in the protocol text.
        length: Its octets.
        fields: Each field by its name; octets are hexadecimal.
        problem: Why it cannot be read; empty where it can.
        warning: What is odd about it, though it can be read.
    """

    protocol: str
    pdu: str
    length: int
    fields: dict[str, object] = field(default_factory=dict)
    problem: str = ""
    warning: str = ""


def explain(protocol: str, frame: bytes, *, reveal: bool = False) -> Explained:
    """Explain one frame.

    Args:
        protocol: One of `PROTOCOLS`.
        frame: The whole frame, header included.
        reveal: Show whole numbers. Passwords and digests are never shown.

    Raises:
        KeyError: There is no such protocol.
    """
    found = PROTOCOLS[protocol](frame)
    fields: dict[str, object] = {**(found.fields if reveal else mask_fields(found.fields))}
    return Explained(protocol, found.pdu, len(frame), fields, found.problem, found.warning)
