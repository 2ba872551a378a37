"""The command: one frame for a pipe, the living screen for a terminal."""

from __future__ import annotations

import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from fzalert.cli.exits import Exit
from fzalert.cli.session import Session, current
from fzalert.cli.top.cells import shown
from fzalert.cli.top.frame import frame
from fzalert.cli.top.snapshot import Reader
from fzalert.clock import SystemClock
from fzalert.errors import ConfigError
from fzalert.service.api import ServiceApi
from fzalert.web.watch import Watch
from fzalert.web.wording import summarise

__all__ = ["top"]


async def top(
    *,
    once: Annotated[bool, Parameter(negative=())] = False,
    token_file: Path | None = None,
) -> int:
    """Show channels, campaigns and the newest warnings, live; `?` shows the keys.

    It looks at the running daemon and never opens the store itself.

    Args:
        once: Write one frame as text and end; so it is also where no terminal is.
        token_file: Who pauses campaigns: a file with a token, - for standard input.
    """
    session = current()
    async with _daemon(session) as api:
        if once or session.output.as_json or not is_terminal():
            return await _once(session, api)
        try:
            from fzalert.cli.top.screen import TopScreen
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"fzalert top needs the package {error.name!r}, which is not installed.",
                hint="Install it: pip install 'fzalert[tui]'; --once works without it.",
            ) from error
        return await TopScreen(api, lambda: session.actor(api, token_file)).run_async() or Exit.OK


def is_terminal() -> bool:
    """Whether keys come in and a screen goes out; Textual draws on standard error."""
    return all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))


def _daemon(session: Session) -> AbstractAsyncContextManager[ServiceApi]:
    """The daemon alone: somebody who looks must not become the one who sends."""
    if session.opener is not None:
        return session.service()
    from fzalert.client import connect

    return connect(session.settings())


async def _once(session: Session, api: ServiceApi) -> int:
    reader, clock = Reader(api), SystemClock()
    snapshot = await reader.read()
    session.output.data(snapshot)
    watch = Watch(clock)
    page = summarise(
        snapshot.status, snapshot.recent, snapshot.campaigns, reader.titles, watch, clock.now()
    )
    for line in frame(shown(page)):
        session.output.line(line)
    down = any(view.state == "down" for view in snapshot.status.channels)
    return Exit.UNREACHABLE if down else Exit.OK
