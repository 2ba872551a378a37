"""The digests of the login, and the parts of a Msg_Id.

MD5 is what the protocol asks for; it protects nothing on an open network.

Source: CMPP V3.0.0, 8.4.1 and 8.4.3.2.
"""

from __future__ import annotations

import hmac
from hashlib import md5
from typing import NamedTuple

from fzalert_sms.cmpp.codec.frames import Connect


def source_digest(account: str, secret: str, timestamp: int, *, pads: bool = False) -> bytes:
    """AuthenticatorSource.

    Args:
        account: SP_Id.
        secret: The shared secret.
        timestamp: As in CONNECT; ten digits go into the digest, a leading zero included.
        pads: Whether a short account is padded to six octets first, as some gateways do.
    """
    name = account.encode("latin-1")
    if pads:
        name = name.ljust(6, b"\0")
    text = name + bytes(9) + secret.encode() + f"{timestamp:010d}".encode()
    return md5(text, usedforsecurity=False).digest()


def gateway_digest(status: int, width: int, source: bytes, secret: str) -> bytes:
    """AuthenticatorISMG; `width` is how many octets the status has on the wire."""
    text = status.to_bytes(width, "big") + source + secret.encode()
    return md5(text, usedforsecurity=False).digest()


def is_from_account(connect: Connect, secret: str) -> bool:
    """Whether a CONNECT was made with the secret; both forms of a short account are taken."""
    return any(
        hmac.compare_digest(
            connect.authenticator,
            source_digest(connect.source_addr, secret, connect.timestamp, pads=pads),
        )
        for pads in (False, True)
    )


def is_from_gateway(status: int, digest: bytes, source: bytes, secret: str) -> bool:
    """Whether a CONNECT_RESP was made with the secret; peers hash one or four octets of status."""
    return any(
        hmac.compare_digest(
            digest, gateway_digest(status & (256**width - 1), width, source, secret)
        )
        for width in (1, 4)
    )


class MsgId(NamedTuple):
    """The parts of a Msg_Id; only a simulator and a person reading a trace need them."""

    month: int
    day: int
    hour: int
    minute: int
    second: int
    gateway: int
    sequence: int

    def pack(self) -> bytes:
        """The eight octets."""
        moment = self.month << 22 | self.day << 17 | self.hour << 12 | self.minute << 6
        whole = (moment | self.second) << 38 | self.gateway << 16 | self.sequence
        return whole.to_bytes(8, "big")

    @classmethod
    def unpack(cls, msg_id: bytes) -> MsgId:
        """Read the eight octets."""
        whole = int.from_bytes(msg_id, "big")
        return cls(
            whole >> 60 & 0xF,
            whole >> 55 & 0x1F,
            whole >> 50 & 0x1F,
            whole >> 44 & 0x3F,
            whole >> 38 & 0x3F,
            whole >> 16 & 0x3F_FFFF,
            whole & 0xFFFF,
        )
