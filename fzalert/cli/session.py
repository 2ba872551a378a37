"""What the commands of one call share: the options before all others, settings, who acts."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from fzalert.cli.output import Output
from fzalert.errors import InputError

if TYPE_CHECKING:
    from fzalert.access import Actor
    from fzalert.config import Settings
    from fzalert.service.api import ServiceApi

__all__ = ["TOKEN_VARIABLE", "Session", "current", "read_token", "started"]

TOKEN_VARIABLE = "FZALERT_TOKEN"  # noqa: S105  a name, no secret

ServiceOpener = Callable[["Settings"], "AbstractAsyncContextManager[ServiceApi]"]


@dataclass(slots=True)
class Session:
    """One call of the program.

    Attributes:
        config: The file named by `--config`, or None.
        output: Where results go.
        opener: Opens the service or a connection to it; the real one where None.
    """

    config: Path | None = None
    output: Output = field(default_factory=Output)
    opener: ServiceOpener | None = None

    def settings(self) -> Settings:
        """Read the configuration. Raises `ConfigError`."""
        from fzalert.config import LogSettings, load_settings

        if self.opener is None:
            from fzalert.cli.logs import start_logging

            # What is opened within this call logs too; only faults may stand beside the result.
            start_logging(LogSettings(level="warning", format="text"))
        return load_settings(self.config)

    def service(
        self, settings: Settings | None = None, *, delivers: bool = True
    ) -> AbstractAsyncContextManager[ServiceApi]:
        """Speak to the process that owns the store, or own it for this call.

        Args:
            settings: Whose store; those of this call unless given.
            delivers: False where nothing is to be sent: then no channel is opened.
        """
        settings = settings or self.settings()
        if self.opener is not None:
            return self.opener(settings)
        from fzalert.service import open_or_connect

        return open_or_connect(settings, delivers=delivers)

    async def actor(self, api: ServiceApi, token_file: Path | None = None) -> Actor:
        """Tell who acts: the holder of a token, else the account that runs this program."""
        token = read_token(token_file, TOKEN_VARIABLE)
        if token:
            return await api.authenticate(token)
        from fzalert.access import Directory

        return Directory().local_actor()


def read_token(file: Path | None, variable: str) -> str:
    """Read a token from a file, `-` for standard input, else from the environment.

    Raises:
        InputError: The file cannot be read.
    """
    if file is None:
        return os.environ.get(variable, "").strip()
    try:
        text = sys.stdin.readline() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The token in {file} cannot be read.", field="token-file") from error
    return text.strip()


_CURRENT: ContextVar[Session] = ContextVar("fzalert-cli-session")


def started(session: Session) -> None:
    """Make a session the current one."""
    _CURRENT.set(session)


def current() -> Session:
    """Return the session of this call."""
    return _CURRENT.get()
