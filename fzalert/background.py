"""The only starter of tasks beside a caller's program.

A `TaskGroup` entered on behalf of a caller cancels the caller's own task when a child dies.
`Background` never does: a crash is handed to `on_crash`, which turns it into channel state and
says how long to pause before the work starts again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from types import TracebackType
from typing import Self

__all__ = ["Background", "OnCrash"]

OnCrash = Callable[[str, Exception], timedelta]
"""Called with the work's name and its exception; returns the pause before the restart."""


def _pause_a_second(name: str, error: Exception) -> timedelta:
    del name, error
    return timedelta(seconds=1)


class Background:
    """Owner of every task that runs beside a caller's program.

    Args:
        on_crash: What a crash means; called at the task boundary, never in the caller's task.
        close_within: How long `__aexit__` waits for cancelled tasks before it names the late ones.
    """

    def __init__(
        self,
        on_crash: OnCrash = _pause_a_second,
        *,
        close_within: timedelta = timedelta(seconds=5),
    ) -> None:
        self._on_crash = on_crash
        self._close_within = close_within
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    def keep(self, name: str, work: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        """Run `work` until it returns; start it again, after a pause, each time it raises."""
        return self._start(name, self._keep(name, work))

    def once(self, name: str, work: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        """Run `work` a single time; a crash is reported to `on_crash` and ends the task."""
        return self._start(name, self._once(name, work))

    @property
    def running(self) -> tuple[str, ...]:
        """Names of the tasks that have not ended, for health pages and leak tests."""
        return tuple(sorted(task.get_name() for task in self._tasks))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Cancel every task and wait for it.

        Raises:
            TimeoutError: A task ignored its cancellation; the text names it.
        """
        self._closing = True
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=self._close_within.total_seconds())
            if late:
                names = ", ".join(sorted(task.get_name() for task in late))
                raise TimeoutError(f"still running after close: {names}")

    def _start(self, name: str, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        if self._closing:
            work.close()
            raise RuntimeError(f"cannot start {name}: the background owner is closing")
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _keep(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except Exception as error:  # noqa: BLE001  the boundary: becomes channel state
                pause = self._on_crash(name, error)
                if self._closing:
                    return  # it failed while it was being cancelled
            else:
                return
            await asyncio.sleep(pause.total_seconds())

    async def _once(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception as error:  # noqa: BLE001  the boundary: becomes channel state
            self._on_crash(name, error)
