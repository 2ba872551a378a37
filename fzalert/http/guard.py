"""Which addresses a request may go to: pure rules, no sockets.

`ipaddress.is_global` is not enough: it says yes to multicast, and to the IPv6 prefixes that carry
an IPv4 address inside (NAT64, 6to4, Teredo), through which a private machine can be reached.
"""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import urlsplit

from fzalert.errors import ConfigError

__all__ = ["Origin", "check_url", "why_refused"]

_CARRIES_IPV4 = tuple(
    ipaddress.IPv6Network(text)
    for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96")
)
_NEVER = tuple(
    ipaddress.ip_network(text) for text in ("169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128")
)
_HTTPS = 443
_FIRST_FREE_PORT = 1024


class Origin(NamedTuple):
    """Where a request goes, as it may stand in an error: no path, no query."""

    scheme: str
    host: str
    port: int
    is_private: bool

    @property
    def text(self) -> str:
        """Scheme, host and port."""
        return f"{self.scheme}://{self.host}:{self.port}"


def check_url(url: str, private_hosts: frozenset[str]) -> Origin:
    """Take an address apart and refuse one that no channel may call.

    Args:
        url: The whole address.
        private_hosts: Hosts that the configuration names as ours: they may be private or
            loopback, may speak plain HTTP and may listen on any port.

    Raises:
        ConfigError: The text never repeats path or query, where keys often stand.
    """
    if re.search(r"[\x00-\x20\x7f\\]", url):
        raise ConfigError("The address of a channel holds a space or a control character.")
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"The address of a channel is no URL: {error}.") from None
    if not host or parts.scheme not in {"https", "http"}:
        raise ConfigError("The address of a channel starts with https:// and a host.")
    if "@" in parts.netloc:
        raise ConfigError(f"The address of {host} carries a user name; credentials go elsewhere.")
    is_private = host in private_hosts
    if parts.scheme == "http" and not is_private:
        raise ConfigError(
            f"{host} would be called without TLS.",
            hint="Use https, or name the host as private in the channel's settings.",
        )
    port = port or (_HTTPS if parts.scheme == "https" else 80)
    if not is_private and port != _HTTPS and port < _FIRST_FREE_PORT:
        raise ConfigError(f"Port {port} of {host} belongs to another service than HTTPS.")
    return Origin(parts.scheme, host, port, is_private)


def why_refused(address: str, *, is_private: bool) -> str:
    """Tell why a resolved address must not be connected to; empty where it may.

    Args:
        address: An IPv4 or IPv6 address, a zone id allowed.
        is_private: The configuration names the host as ours.
    """
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        if not is_private:
            return "an IPv4 address dressed as IPv6"
        ip = ip.ipv4_mapped
    if any(ip.version == network.version and ip in network for network in _NEVER):
        return "a link-local address, where machines keep their credentials"
    if ip.is_multicast or ip.is_unspecified:
        return "no address of one machine"
    if is_private:
        return ""
    if isinstance(ip, ipaddress.IPv6Address) and any(ip in network for network in _CARRIES_IPV4):
        return "an IPv6 address that carries an IPv4 address"
    if not ip.is_global:
        return "a private or reserved address"
    return ""
