"""`fzalert freeze board`: every open measure with its clock, printed once or as a living screen."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from fzalert.cli.exits import Exit
from fzalert.cli.freeze.asking import desk, show_measures
from fzalert.cli.session import Session, current
from fzalert.cli.top.command import is_terminal
from fzalert.errors import ConfigError
from fzalert.service import freeze_models as asks
from fzalert.service.api import ServiceApi

__all__ = ["board"]


async def board(
    *,
    ended: Annotated[bool, Parameter(negative=())] = False,
    watch: Annotated[bool, Parameter(negative=())] = False,
    token_file: Path | None = None,
) -> int:
    """Show every open measure with its clock, the most urgent first.

    Args:
        ended: Show those that have ended too.
        watch: Stay, with clocks that run: j and k move, Enter shows the case, q ends. It looks at
            the running daemon. Where no terminal is, or with --json, it prints once.
        token_file: Who looks: a file with a token, - for standard input.
    """
    session = current()
    if watch and not session.output.as_json and is_terminal():
        return await _watch(session, ended=ended, token_file=token_file)
    async with desk(token_file) as at:
        answer = await at.ask(asks.BoardAsk(ended=ended))
    session.output.rows(answer.board)
    show_measures([(row.case, row.measure) for row in answer.board])
    return Exit.OK


async def _watch(session: Session, *, ended: bool, token_file: Path | None) -> int:
    try:
        from fzalert.cli.freeze.board_screen import BoardScreen
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"The living board needs the package {error.name!r}, which is not installed.",
            hint="Install it: pip install 'fzalert[tui]'; without --watch it prints once.",
        ) from error
    async with _daemon(session) as api:
        by = await session.actor(api, token_file)
        return await BoardScreen(api, by, ended=ended).run_async() or Exit.OK


def _daemon(session: Session) -> AbstractAsyncContextManager[ServiceApi]:
    """The daemon alone: a screen that stays open must not keep the store from it."""
    if session.opener is not None:
        return session.service()
    from fzalert.client import connect

    return connect(session.settings())
