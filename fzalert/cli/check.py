"""`fzalert check`: everything that can be known before it runs, all at once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Annotated

from cyclopts import Parameter

from fzalert.cli.check_files import (
    Finding,
    access_findings,
    freeze_findings,
    web_findings,
)
from fzalert.cli.exits import Exit
from fzalert.cli.session import current
from fzalert.cli.throwaway import ChannelProbe, capabilities, probe
from fzalert.config import Settings
from fzalert.errors import FzalertError, NotConnected
from fzalert.ports import Capabilities
from fzalert.service.building import script_settings

__all__ = ["Finding", "check"]


async def check(*, online: Annotated[bool, Parameter(negative=())] = False) -> int:
    """Check the configuration and tell every fault.

    Args:
        online: Also open each channel for a moment, or ask the daemon where one runs.
    """
    session = current()
    output = session.output
    settings = session.settings()  # a fault in the file itself ends here, all of them named
    able = await capabilities(settings)
    findings = [*_findings(settings, able)]
    for channel in settings.channels:
        output.line(f"● {channel.name}  {channel.adapter}  {_limits(able[channel.name])}")
    for finding in findings:
        output.data(finding)
        sign = "■" if finding.level == "error" else "▲"
        output.line(f"{sign} {finding.where}: {finding.text}")
    failed = any(finding.level == "error" for finding in findings)
    if failed:
        return Exit.CONFIG
    down = False
    if online:
        for found in await _online(settings):
            output.data(found)
            sign = "●" if found.state == "up" else "▲" if found.state == "slow" else "■"
            output.line(f"{sign} {found.name}  {found.state}  {found.detail}")
            down = down or found.state in {"down", "unknown"}
        for finding in await _provider(settings):
            output.data(finding)
            output.line(
                f"{'■' if finding.level == 'error' else '●'} {finding.where}: {finding.text}"
            )
            down = down or finding.level == "error"
    output.line(
        f"{settings.path}: "
        + ("有通道或统一登录连不上 a channel or the provider is down" if down else "通过 ok")
    )
    return Exit.UNREACHABLE if down else Exit.OK


def _findings(settings: Settings, able: Mapping[str, Capabilities]) -> Iterator[Finding]:
    try:
        script_settings(settings)
    except FzalertError as error:
        yield Finding(level="error", where="identity", text=str(error))
    yield from _shared_addresses(able)
    yield from _folder(settings)
    yield from web_findings(settings)
    yield from access_findings(settings)
    yield from freeze_findings(settings)
    if not settings.channels:
        yield Finding(level="warning", where="channel", text="没有通道 nothing can go out")
    if not settings.web.is_loopback and not settings.web.is_secure:
        yield Finding(
            level="warning",
            where="web",
            text="页面没有加密，令牌会明文传输 set certificate and key: tokens travel in clear",
        )


def _shared_addresses(able: Mapping[str, Capabilities]) -> Iterator[Finding]:
    owners: dict[tuple[str, str], str] = {}
    for name, each in able.items():
        for kind in sorted(each.kinds):
            for address in sorted(each.addresses or ()):
                first = owners.setdefault((kind, address), name)
                if first != name:
                    text = f"{kind}:{address} 已由 {first} 服务 is served by {first} already"
                    yield Finding(level="error", where=name, text=text)


def _folder(settings: Settings) -> Iterator[Finding]:
    folder = settings.data_directory
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not os.access(folder, os.W_OK | os.X_OK):
        text = f"{folder} 不可写 cannot be written"
        yield Finding(level="error", where="store.url", text=text)


def _limits(each: Capabilities) -> str:
    kinds = ", ".join(sorted(each.kinds))
    rate = "" if each.rate is None else f", ≤ {each.rate:g}/s"
    reports = ", 有回执 reports" if each.reports else ", 无回执 no reports"
    where = "" if each.addresses is None else f", {' '.join(sorted(each.addresses))}"
    return f"{kinds}{where}, window {each.window}{rate}{reports}"


async def _provider(settings: Settings) -> list[Finding]:
    """Ask the OpenID provider what it says of itself, and for its keys."""
    chosen = settings.access.oidc
    if chosen is None:
        return []
    from fzalert.access.oidc import Provider
    from fzalert.clock import SystemClock
    from fzalert.http import HttpPool

    where, http = "access.oidc.issuer", HttpPool()
    try:
        await Provider(chosen, http, SystemClock(), settings.web.public_url).probe()
    except FzalertError as error:
        return [Finding(level="error", where=where, text=str(error.args[0]))]
    finally:
        await http.aclose()
    return [Finding(level="info", where=where, text=f"{chosen.issuer} 可用 answers")]


async def _online(settings: Settings) -> list[ChannelProbe]:
    """Ask the daemon where one runs: a second login could push its own off the line."""
    from fzalert.client import connect

    try:
        async with connect(settings) as client:
            view = await client.status()
    except NotConnected:
        return [await probe(channel) for channel in settings.channels]
    return [
        ChannelProbe(name=each.name, state=each.state, detail=each.detail or each.last_error)
        for each in view.channels
    ]
