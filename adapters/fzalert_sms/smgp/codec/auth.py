"""The digests of the login, and the parts of a MsgID.

MD5 is what the protocol asks for; it protects nothing on an open network.

Source: SMGP V3.0.3, 7.2.1 and 7.2.2.
"""

from __future__ import annotations

import hmac
from hashlib import md5
from typing import NamedTuple

from fzalert_sms.smgp.codec.frames import Login


def client_digest(client_id: str, secret: str, timestamp: int) -> bytes:
    """AuthenticatorClient.

    Args:
        client_id: ClientID, as it is sent, without padding.
        secret: The shared secret.
        timestamp: As in Login; ten digits go into the digest, a leading zero included.
    """
    text = client_id.encode("latin-1") + bytes(7) + secret.encode() + f"{timestamp:010d}".encode()
    return md5(text, usedforsecurity=False).digest()


def server_digest(status: int, client: bytes, secret: str) -> bytes:
    """AuthenticatorServer; `client` is the digest of the Login that is answered."""
    text = status.to_bytes(4, "big") + client + secret.encode()
    return md5(text, usedforsecurity=False).digest()


def is_from_account(login: Login, secret: str) -> bool:
    """Whether a Login was made with the secret."""
    mine = client_digest(login.client_id, secret, login.timestamp)
    return hmac.compare_digest(login.authenticator, mine)


def is_from_gateway(status: int, digest: bytes, client: bytes, secret: str) -> bool:
    """Whether a Login_Resp was made with the secret."""
    return hmac.compare_digest(digest, server_digest(status, client, secret))


class MsgId(NamedTuple):
    """The parts of a MsgID as the text writes it; real gateways put other octets there.

    Attributes:
        gateway: Six digits: area, kind of device, index.
        moment: MMDDHHMM.
        sequence: Six digits.
    """

    gateway: str
    moment: str
    sequence: str

    def pack(self) -> bytes:
        """The ten octets, two digits each."""
        return bytes.fromhex(self.gateway + self.moment + self.sequence)

    @classmethod
    def unpack(cls, msg_id: bytes) -> MsgId:
        """Read the ten octets; digits over 9 come out as letters."""
        digits = msg_id.hex()
        return cls(digits[:6], digits[6:14], digits[14:])
