"""`fzalert sms decode`: explain one frame of a carrier's protocol."""

from __future__ import annotations

import re
from typing import Literal

from fzalert import InputError
from fzalert.ports import Command, CommandGroup
from fzalert_sms.decoding import Explained, explain

__all__ = ["COMMANDS", "decode"]

_BLANKS = re.compile(r"[\s:,]+|0[xX]")

ProtocolName = Literal["cmpp20", "cmpp30", "sgip12", "smgp30", "smpp34"]


def decode(frame: str, *, protocol: ProtocolName = "cmpp30", reveal: bool = False) -> Explained:
    """Explain one frame field by field (逐字段解释一帧).

    Numbers are masked. Passwords are never shown.

    Args:
        frame: The whole frame, header included, in hexadecimal; blanks do not matter.
        protocol: cmpp20, cmpp30, sgip12, smgp30 or smpp34.
        reveal: Show whole numbers.
    """
    digits = _BLANKS.sub("", frame)
    try:
        octets = bytes.fromhex(digits)
    except ValueError as error:
        raise InputError(
            "The frame is not written in hexadecimal.",
            hint="Write two digits an octet, such as 0000000c00000008.",
            field="frame",
        ) from error
    if len(octets) > 4 and int.from_bytes(octets[:4], "big") != len(octets):
        said = int.from_bytes(octets[:4], "big")
        raise InputError(
            f"The frame says {said} octets, and {len(octets)} are here.",
            hint="Give one whole frame: its first four octets are its length.",
            field="frame",
        )
    return explain(protocol, octets, reveal=reveal)


COMMANDS = CommandGroup(
    name="sms",
    help="短信工具。 Tools for short messages.",
    commands=(Command("decode", decode),),
)
