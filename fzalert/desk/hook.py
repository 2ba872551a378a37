"""The way into core banking: a program or an address gets the package and gives the answer.

Whatever goes wrong there is no answer: the item stays open, and a person decides. A hook may be
asked again about the same application id, after a restart; it has to do the same once.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from datetime import timedelta

from pydantic import ValidationError

from fzalert.desk.inbox import DeskAnswer
from fzalert.desk.settings import HookSettings
from fzalert.errors import FzalertError
from fzalert.http import HttpPool

__all__ = ["HookFailed", "ask_hook"]

_LONGEST = 65_536


class HookFailed(Exception):
    """Core banking gave no answer that can be entered; a person decides."""


async def ask_hook(
    hook: HookSettings, body: bytes, http: HttpPool, application_id: str
) -> DeskAnswer | None:
    """Ask core banking about one package.

    A program gets the application id as `FZALERT_APPLICATION_ID` too, an address as the header
    `Idempotency-Key`: by it core banking knows a question that it has had.

    Args:
        hook: How.
        body: The package, canonical JSON.
        http: For an address.
        application_id: The package's; the same whenever it is asked again.

    Returns:
        The answer to enter; None where the hook leaves it to a person.

    Raises:
        HookFailed: It could not be asked, took too long, or said what is no answer.
    """
    if hook.command:
        said = await _run(hook, body, application_id)
    else:
        said = await _post(hook, body, http, application_id)
    if not said.strip():
        return None
    try:
        return DeskAnswer.model_validate_json(said)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "its top"
        raise HookFailed(f"The hook's answer is wrong at {place}: {first['msg']}.") from None


async def _run(hook: HookSettings, body: bytes, application_id: str) -> bytes:
    try:
        process = await asyncio.create_subprocess_exec(
            *hook.command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,  # it may say names and numbers
            start_new_session=True,
            env={**os.environ, "FZALERT_APPLICATION_ID": application_id},
        )
    except OSError as error:
        raise HookFailed(f"The hook cannot be started: {error.strerror}.") from error
    try:
        async with asyncio.timeout(hook.timeout):
            out, _ = await process.communicate(body)
    except TimeoutError:
        raise HookFailed(f"The hook gave no answer within {hook.timeout:g} s.") from None
    finally:
        await _end(process)
    if process.returncode != 0:
        raise HookFailed(f"The hook ended with exit code {process.returncode}.")
    if len(out) > _LONGEST:
        raise HookFailed("The hook's answer is too long.")
    return out


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the hook and what it started."""
    with contextlib.suppress(ProcessLookupError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


async def _post(hook: HookSettings, body: bytes, http: HttpPool, application_id: str) -> bytes:
    from urllib.parse import quote, urlsplit

    host = (urlsplit(hook.url).hostname or "").rstrip(".")
    try:
        answer = await http.request(
            "POST",
            hook.url,
            content=body,
            headers={
                "Content-Type": "application/json",
                "Accept": "application/json",
                "Idempotency-Key": quote(application_id, safe=""),
            },
            deadline=timedelta(seconds=hook.timeout),
            private_hosts=frozenset({host}) if hook.private else frozenset(),
        )
    except FzalertError as error:
        raise HookFailed(f"The hook gave no answer: {error.args[0]}") from error
    if answer.status not in {200, 204}:
        raise HookFailed(f"The hook answered HTTP {answer.status}.")
    return answer.body if answer.status == 200 else b""
