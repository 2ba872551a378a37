"""fzalert for programs without an event loop: the same calls, each with a time limit of its own.

```python
with fzalert.blocking.open("fzalert.toml") as fz:
    warning = fz.warn("impersonating-police", to=fzalert.phone("13800138000"))
    outcome = warning.outcome(timeout=2)
```

The loop runs in one thread of its own. No call waits longer than its limit, whatever an adapter
does to that loop: hang, raise, leak or block.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

from fzalert.access.actors import Actor
from fzalert.config import Settings
from fzalert.errors import NotConnected
from fzalert.log import get_logger
from fzalert.messages import Lane, Target
from fzalert.service.facade import (
    ACCEPT_WITHIN,
    Fzalert,
    not_accepted,
    request_of,
    seconds_of,
    targets_of,
)
from fzalert.service.handle import WarningHandle, WarningOutcome
from fzalert.service.models import ScriptView, StatusView, WarningView
from fzalert.service.opening import open_fzalert

__all__ = ["BlockingFzalert", "BlockingWarning", "open"]

T = TypeVar("T")

log = get_logger("fzalert.blocking")

OPEN_WITHIN = 30.0
CLOSE_WITHIN = 30.0
LEFT_WITHIN = 2.0
GRACE = 0.5
"""How much longer than its own limit a call may take before the thread is given up on."""


class BlockingWarning:
    """One warning, as `fzalert.WarningHandle`, for programs without an event loop.

    Attributes:
        id: The warning's id; empty where it was not accepted.
        accepted: Whether it is on disk.
    """

    def __init__(self, owner: BlockingFzalert, handle: WarningHandle) -> None:
        self._owner = owner
        self._handle = handle
        self.id = handle.id
        self.accepted = handle.accepted

    def outcome(self, timeout: float | timedelta = 0.0) -> WarningOutcome:
        """The fate of each target, after waiting until all are final or the time is over.

        Args:
            timeout: Seconds, or a timedelta; 0 asks without waiting.
        """
        seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        try:
            return self._owner.run(self._handle.outcome(seconds), seconds + ACCEPT_WITHIN)
        except NotConnected:
            return self._handle.known


class BlockingFzalert:
    """Warns people, and tells what became of it; usable from any thread.

    Made by `fzalert.blocking.open()`.
    """

    def __init__(self, config: Path | str | Settings | None) -> None:
        self._config = config
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._turn, name="fzalert-loop", daemon=True)
        self._stack = AsyncExitStack()
        self._fz: Fzalert | None = None

    def _turn(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        # What an adapter left running ends with the loop, as it would with `asyncio.run`.
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        if left:
            self._loop.run_until_complete(asyncio.wait(left, timeout=LEFT_WITHIN))
        self._loop.close()

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            opening = self._stack.enter_async_context(open_fzalert(self._config))
            self._fz = self.run(opening, OPEN_WITHIN)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Drain and close; a loop that cannot be reached any more is left behind, and logged."""
        if self._fz is None:
            return
        self._fz = None
        try:
            self.run(self._stack.aclose(), CLOSE_WITHIN)
        except NotConnected:
            log.warning("blocking.left_behind", within=CLOSE_WITHIN)
        self._end()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(LEFT_WITHIN + GRACE)

    def run(self, work: Coroutine[Any, Any, T], within: float) -> T:
        """Run a coroutine in the loop's thread and wait for it.

        Raises:
            NotConnected: It took longer than its limit: the loop is held up.
        """
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(within + GRACE)
        except concurrent.futures.TimeoutError:
            future.cancel()
            raise NotConnected(
                f"fzalert did not answer within {within:.0f} s.",
                hint="An adapter may be holding up its thread; look at the log.",
            ) from None

    @property
    def _open(self) -> Fzalert:
        if self._fz is None:
            raise NotConnected("fzalert is not open.", hint="Use it inside `with`.")
        return self._fz

    def warn(
        self,
        script: str,
        *,
        to: Sequence[Target] | Target,
        audience: str = "general",
        language: str = "zh",
        values: Mapping[str, str | int] | None = None,
        lane: Lane | Literal["urgent", "bulk"] = Lane.URGENT,
        expires_in: timedelta | None = None,
        key: str = "",
        by: Actor | None = None,
    ) -> BlockingWarning:
        """Warn somebody, now; arguments and errors are those of `Fzalert.warn`.

        It returns within six seconds: with the warning on disk, or with an outcome that says why
        it is not known to be.
        """
        fz = self._open
        calling = fz.warn(
            script,
            to=to,
            audience=audience,
            language=language,
            values=values,
            lane=lane,
            expires_in=expires_in,
            key=key,
            by=by,
        )
        try:
            handle = self.run(calling, ACCEPT_WITHIN)
        except NotConnected as late:
            targets = targets_of(to)
            request = request_of(
                script=script,
                to=[f"{target.kind}:{target.address}" for target in targets],
                audience=audience,
                language=language,
                values=dict(values or {}),
                lane=lane,
                expires_in=seconds_of(expires_in),
                key=key,
            )
            handle = WarningHandle(fz.api, _unknown(request, targets, str(late)))
        return BlockingWarning(self, handle)

    def status(self) -> StatusView:
        """How the process that delivers, its channels and its counters are now.

        Raises:
            NotConnected: It did not answer in time.
        """
        return self.run(self._open.status(), ACCEPT_WITHIN)

    def scripts(self) -> list[ScriptView]:
        """The library, with each script's approval. Raises as `status`."""
        return self.run(self._open.scripts(), ACCEPT_WITHIN)

    def approve(self, script_key: str, *, author: Actor, approver: Actor) -> ScriptView:
        """Approve a script for real channels. Raises as `Fzalert.approve` and `status`."""
        approving = self._open.approve(script_key, author=author, approver=approver)
        return self.run(approving, ACCEPT_WITHIN)

    def actor(self, token: str) -> Actor:
        """The actor behind a user's token. Raises as `Fzalert.actor` and `status`."""
        return self.run(self._open.actor(token), ACCEPT_WITHIN)


def _unknown(request: Any, targets: Sequence[Target], why: str) -> WarningView:
    return not_accepted(request, targets, "unknown", "accept-timeout", why)


def open(config: Path | str | Settings | None = None) -> BlockingFzalert:
    """Open fzalert for a program without an event loop: `with fzalert.blocking.open(…) as fz`.

    Args:
        config: As for `fzalert.open`.
    """
    return BlockingFzalert(config)
