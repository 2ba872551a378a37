"""`fzalert run`: the daemon."""

from __future__ import annotations

import faulthandler
import sys
from typing import Annotated

from cyclopts import Parameter

from fzalert.cli.logs import secrets_in, start_logging
from fzalert.cli.output import Output
from fzalert.cli.session import current
from fzalert.config import Settings
from fzalert.daemon import Ready
from fzalert.daemon import run as run_daemon
from fzalert.errors import ConfigError
from fzalert.service import Service

__all__ = ["run"]


async def run(
    *,
    ready_json: Annotated[bool, Parameter(negative=())] = False,
    resume_as_unknown: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Serve until a signal asks to stop, then drain; a second signal ends at once.

    Args:
        ready_json: Write one line of JSON to standard output once everything serves.
        resume_as_unknown: Go on with an older copy of the database, after a restore: nothing that
            waits in it is sent; it is unknown, for a person to settle.
    """
    session = current()
    settings = session.settings()
    start_logging(settings.log, hide=secrets_in(settings), service=True)
    _leave_no_core()
    output = session.output

    def ready(found: Ready) -> None:
        if ready_json or output.as_json:
            Output(as_json=True).data(_ready_line(found))
        else:
            output.line(f"页面 Pages: {found.web}")
            if found.machines:
                output.line(f"机器 Machines (mTLS): {found.machines}")
            output.line("按 Ctrl-C 停止。 Ctrl-C stops.")

    def adopt(found: Settings) -> None:
        """Hide the secrets that are new, and open the log file again where it was moved away."""
        try:
            start_logging(found.log, hide=secrets_in(found), service=True)
        except ConfigError as error:
            output.note(f"fzalert: {error}")

    def opened(found: Settings) -> Service:
        return Service(found, resume_as_unknown=resume_as_unknown)

    await run_daemon(settings, ready=ready, adopt=adopt, open_service=opened)


def _leave_no_core() -> None:
    """A crash of the interpreter tells its place and no values, and writes no memory to disk."""
    faulthandler.enable()
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _ready_line(found: Ready) -> dict[str, object]:
    status = found.status
    return {
        "ready": True,
        "web": found.web,
        "machines": found.machines,
        "pid": status.pid,
        "version": status.version,
        "store_id": status.store_id,
        "drill": status.drill,
        "channels": [channel.name for channel in status.channels],
    }
