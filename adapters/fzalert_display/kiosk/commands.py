"""`fzalert display`: list the screens, pair one by its code, shut one out.

The commands speak HTTP to the running daemon, in the name of the person whose token is in
`FZALERT_TOKEN`; they open no store. Where the daemon is, the configuration file says.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fzalert import AccessDenied, ChannelRefused, ConfigError, InputError
from fzalert.http import HttpPool
from fzalert.ports import Command, CommandGroup

__all__ = ["COMMANDS", "Paired", "Revoked", "ScreenRow", "list_screens", "pair", "revoke"]

_WITHIN = timedelta(seconds=15)
_LONGEST = 4_194_304
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}  # noqa: S104  compared, never bound


@dataclass(frozen=True, slots=True)
class ScreenRow:
    """One screen as the daemon knows it now."""

    display: str
    title: str
    location: str
    enrolled: bool
    live: bool
    viewport: str
    warnings: int


@dataclass(frozen=True, slots=True)
class Paired:
    """A screen whose code was confirmed; it comes up within seconds."""

    paired: str


@dataclass(frozen=True, slots=True)
class Revoked:
    """A screen whose browser was shut out; it shows a code now."""

    revoked: str


async def list_screens(*, channel: str = "", url: str = "") -> list[ScreenRow]:
    """List the screens of the running daemon (列出屏幕).

    Args:
        channel: The channel of the screens; the only display.kiosk one by default.
        url: The daemon's address; by default what the configuration file says.
    """
    answer = await _ask("GET", "pair/screens", None, channel, url)
    return [ScreenRow(**row) for row in answer["screens"]]


async def pair(code: str, display: str = "", *, channel: str = "", url: str = "") -> Paired:
    """Confirm the code that an unpaired screen shows (确认配对码).

    Args:
        code: The eight symbols.
        display: Which screen it is; by default the one in the address that it was opened with.
        channel: The channel of the screens; the only display.kiosk one by default.
        url: The daemon's address; by default what the configuration file says.
    """
    fields = {"code": code, "display": display}
    return Paired(**await _ask("POST", "pair/confirm", fields, channel, url))


async def revoke(display: str, *, channel: str = "", url: str = "") -> Revoked:
    """Shut a screen's browser out, such as a stolen one (停用一块屏幕).

    Args:
        display: Which screen.
        channel: The channel of the screens; the only display.kiosk one by default.
        url: The daemon's address; by default what the configuration file says.
    """
    return Revoked(**await _ask("POST", "pair/revoke", {"display": display}, channel, url))


COMMANDS = CommandGroup(
    name="display",
    help="屏幕：列出、配对、停用。 Screens: list, pair, revoke.",
    commands=(Command("list", list_screens), Command("pair", pair), Command("revoke", revoke)),
)


async def _ask(
    method: str, path: str, fields: Mapping[str, str] | None, channel: str, url: str
) -> dict[str, Any]:
    base = _base(channel, url)
    token = os.environ.get("FZALERT_TOKEN", "").strip()
    if not token:
        raise AccessDenied(
            "Screens are listed, paired and revoked by a person.",
            hint="Put your token into FZALERT_TOKEN; `fzalert user add` gives one.",
        )
    pool = HttpPool(max_body=_LONGEST)
    try:
        answer = await pool.request(
            method,
            base + path,
            content=b"" if fields is None else json.dumps(fields).encode("utf-8"),
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            deadline=_WITHIN,
            private_hosts=frozenset({urlsplit(base).hostname or ""}),
        )
    finally:
        await pool.aclose()
    told = _object(answer.body)
    if answer.status == 200:
        return told
    why = str(told.get("error") or told.get("detail") or f"It answered {answer.status}.")
    match answer.status:
        case 401 | 403 | 429:
            raise AccessDenied(why)
        case 404 if "error" not in told:
            raise ChannelRefused(why, hint="Name the channel of the screens with --channel.")
        case 404 | 422:
            raise InputError(why, field="code" if answer.status == 404 else "display")
        case _:
            raise ChannelRefused(f"The daemon refused: {why}")


def _object(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _base(channel: str, url: str) -> str:
    """Find where the channel is mounted."""
    if channel and url:
        return f"{url.rstrip('/')}/channels/{channel}/"
    document = _configuration()
    names = [
        str(table.get("name"))
        for table in document.get("channel", [])
        if isinstance(table, dict) and table.get("adapter") == "display.kiosk"
    ]
    if not channel and len(names) != 1:
        raise InputError(
            f"There are {len(names)} channels of screens.",
            hint=f"Name one with --channel: {', '.join(names)}." if names else "Configure one.",
            field="channel",
        )
    return f"{(url or _address(document)).rstrip('/')}/channels/{channel or names[0]}/"


def _address(document: Mapping[str, Any]) -> str:
    web = document.get("web", {})
    host, port = str(web.get("host", "127.0.0.1")), int(web.get("port", 8800))
    if port == 0:
        raise InputError(
            "The daemon takes any free port.",
            hint="Give its address with --url; `fzalert status` shows it.",
            field="url",
        )
    scheme = "https" if "certificate" in web else "http"
    return f"{scheme}://{_ANYWHERE.get(host, host)}:{port}"


def _configuration() -> dict[str, Any]:
    path = Path(os.environ.get("FZALERT_CONFIG") or "fzalert.toml")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(
            f"{path} cannot be read: {error}.",
            hint="Name it in FZALERT_CONFIG, or give --channel and --url.",
        ) from None
