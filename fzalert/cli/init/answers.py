"""The five answers: each is read and judged at once, so that a wrong one is asked again."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from fzalert.errors import ConfigError, InputError
from fzalert.registry import AdapterMissing, Registry
from fzalert.scripts import ScriptSettings

__all__ = ["CHANNELS", "Carrier", "Pages", "Sign", "Who", "channels_here", "read_channels"]

CHANNELS = {"sms": "sms.cmpp", "screen": "display.kiosk", "speaker": "voice.local"}
"""What one word sets up, and its adapter; the others need more: docs/channels.md."""

_BANK = re.compile(r"银行|信用社|联社|\bbank\b", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]")
_BETWEEN = re.compile(r"[\s,，、;；]+")
_PLACE = re.compile(r"\[?([A-Za-z0-9.:_-]+?)\]?[:：](\d{1,5})")
_LONGEST_NAME = 64
DEFAULT_PORT = 8800
_LONGEST_SIGN = 20


def _words(text: str) -> list[str]:
    return [word for word in _BETWEEN.split(text.strip()) if word]


@dataclass(frozen=True, slots=True)
class Who:
    """Who speaks: a county's centre, or a bank and its branch.

    Attributes:
        county: The county, or empty.
        bank: The bank, or empty.
        branch: Its branch, or empty.
    """

    county: str = ""
    bank: str = ""
    branch: str = ""

    @classmethod
    def read(cls, text: str) -> Who:
        """Read 青山县, or 青山农商银行 城关支行; a name with a bank in it is a bank's.

        Raises:
            InputError: No name, too long a one, or one that no text can carry.
        """
        words = _words(text)
        if not words or _CONTROL.search(text) or max(map(len, words)) > _LONGEST_NAME:
            raise InputError(
                "写单位名称。 Write a name.",
                hint="如 such as 青山县, 青山农商银行 城关支行",
                field="who",
            )
        if _BANK.search(words[0]):
            return cls(bank=words[0], branch=" ".join(words[1:]))
        if any(_BANK.search(word) for word in words):  # Qingshan Bank, Main Street
            return cls(bank=" ".join(words))
        return cls(county=" ".join(words))

    @property
    def sign(self) -> str:
        """A signature that fits."""
        return (f"{self.county}反诈" if self.county else self.branch or self.bank)[:_LONGEST_SIGN]


def channels_here(registry: Registry) -> tuple[str, ...]:
    """Name the kinds of channel whose adapter this installation can load."""

    def loads(adapter: str) -> bool:
        try:
            registry.adapter(adapter)
        except (KeyError, AdapterMissing):
            return False
        return True

    return tuple(name for name, adapter in CHANNELS.items() if loads(adapter))


def read_channels(text: str, known: Sequence[str]) -> tuple[str, ...]:
    """Read kinds of channel.

    Raises:
        InputError: None, or one that is not known or not installed.
    """
    words = [word.lower() for word in _words(text)]
    wrong = [word for word in words if word not in known]
    if wrong or not words:
        what = f"没有 {wrong[0][:20]!r}。 " if wrong else ""
        raise InputError(
            f"{what}Choose from {', '.join(known)}.", hint="如 such as sms,screen", field="channels"
        )
    return tuple(name for name in CHANNELS if name in words)


@dataclass(frozen=True, slots=True)
class Carrier:
    """A carrier's account for short messages; the simulated one unless given.

    Attributes:
        host: The gateway.
        port: Its port.
        account: The account, SP_Id.
        src_id: The number that a handset shows.
        service_id: The carrier's name of the service.
        simulated: Whether it is the simulator of this machine.
    """

    host: str = "127.0.0.1"
    port: int = 7890
    account: str = "901234"
    src_id: str = "10690000"
    service_id: str = "FZALERT"
    simulated: bool = True

    @classmethod
    def read(cls, text: str) -> Carrier:
        """Read `HOST:PORT ACCOUNT NUMBER [SERVICE]`; nothing or `simulator` is the simulator.

        Raises:
            InputError: Not of that form.
        """
        words = _words(text)
        if not words or words[0].lower() in {"simulator", "模拟", "none", "没有", "无"}:
            return cls()
        place = _PLACE.fullmatch(words[0])
        if place is None or not 0 < int(place[2]) < 65536 or len(words) not in {3, 4}:
            raise InputError(
                "写 地址:端口 账号 接入号 [业务代码]。 Write HOST:PORT ACCOUNT NUMBER [SERVICE].",
                hint="如 such as 192.0.2.10:7890 901234 1069000012345 FZALERT",
                field="carrier",
            )
        service = words[3] if len(words) == 4 else "FZALERT"
        return cls(place[1], int(place[2]), words[1], words[2], service, simulated=False)


@dataclass(frozen=True, slots=True)
class Sign:
    """What a text ends with.

    Attributes:
        sign: The signature, without brackets.
        hotline: The number that texts name.
        is_own: Whether the number is the bank's own, and none of the public ones.
    """

    sign: str
    hotline: str = "96110"
    is_own: bool = False

    @classmethod
    def read(cls, text: str, otherwise: Sign, *, for_bank: bool) -> Sign:
        """Read `SIGNATURE [HOTLINE]`; what is left out stays as it is.

        Args:
            text: What was typed.
            otherwise: What is proposed.
            for_bank: Whether it may be a service number of a bank's own.

        Raises:
            InputError: Too long, with brackets, or a number that no warning may name.
        """
        words = _words(text)
        hotline = otherwise.hotline
        if words and words[-1].isascii() and words[-1].isdigit():
            hotline = words.pop()
        sign = " ".join(words) or otherwise.sign
        if len(sign) > _LONGEST_SIGN or set(sign) & set("【】[]") or _CONTROL.search(sign):
            raise InputError(
                f"签名最多 {_LONGEST_SIGN} 个字，不带括号。"
                f" A signature has at most {_LONGEST_SIGN} characters and no brackets.",
                field="sign",
            )
        is_own = for_bank and hotline not in ScriptSettings().hotlines
        try:
            _ = ScriptSettings(
                service_numbers=frozenset({hotline} if is_own else ()), hotline=hotline
            )
        except ConfigError as error:
            public = ", ".join(sorted(ScriptSettings().hotlines))
            raise InputError(
                f"预警不能写这个热线。 {error.args[0]}",
                hint=f"公开热线 public ones: {public}",
                field="sign",
            ) from None
        return cls(sign, hotline, is_own)


@dataclass(frozen=True, slots=True)
class Pages:
    """Where the pages are.

    Attributes:
        host: Address to listen on; a loopback one shows them to this machine alone.
        port: Port.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT

    @classmethod
    def read(cls, text: str) -> Pages:
        """Read `PORT`, or `ADDRESS:PORT` to show the pages to other machines too.

        Raises:
            InputError: No address of this machine, no port, or one that another program has.
        """
        host, _, port = text.strip().rpartition(":")
        host = host.strip("[]") or "127.0.0.1"
        version: int = 0
        with contextlib.suppress(ValueError):
            version = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host).version
        if not version or not (port.isascii() and port.isdigit() and int(port) < 65536):
            raise InputError(
                "写端口，或 地址:端口。 Write a port, or ADDRESS:PORT.",
                hint="如 such as 8800, 0.0.0.0:8800",
                field="web",
            )
        found = cls(host, int(port))
        family = socket.AF_INET6 if version == 6 else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((host, found.port))
            except OSError as error:
                raise InputError(
                    f"{host} 端口 {found.port} 不能用 cannot be used: {error.strerror}.",
                    hint="换一个端口。 Choose another port.",
                    field="web",
                ) from None
        return found
