"""An event loop whose time is virtual and whose order is drawn from a seed.

It does nothing real: no socket, no thread, no process. When nothing is ready its time jumps to the
next timer, so an hour passes in a millisecond; equal seeds give equal runs. For every odd seed the
handles that are ready together run in a drawn order. Each still runs once a pass, so no schedule is
unfair. For every even seed they run in the order asyncio promises.

Private names of asyncio that this uses: `_ready`, `_run_once`, `_clock_resolution`, `_selector`,
`_process_events`, `_write_to_self`. `tests/unit/test_simloop.py` guards them.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from random import Random
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, TypeVarTuple, Unpack, cast

from typing_extensions import override

if TYPE_CHECKING:
    from collections import deque

__all__ = ["Deadlock", "SimLoop", "SimTask"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

MOST_PASSES = 2_000_000
"""Passes after which a run counts as one that never ends."""


class Deadlock(RuntimeError):
    """Nothing is ready and no timer runs: everybody waits for ever. The text names the tasks."""


class SimTask(asyncio.Task[T]):
    """A task whose place in a set is the same in every run: its hash is its number.

    Attributes:
        number: Of all tasks of its loop.
        owner: For whoever has to tell tasks apart.
    """

    owner: object = None

    def __init__(self, number: int, coro: Coroutine[Any, Any, T], **kinds: Any) -> None:
        self.number = number
        super().__init__(coro, **kinds)

    @override
    def __hash__(self) -> int:
        return self.number

    @override
    def __eq__(self, other: object) -> bool:
        return self is other


class _NoSelector:
    """What the loop waits with: its time jumps, and nothing ever arrives from outside."""

    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[object]:
        """Let `timeout` seconds of virtual time pass."""
        if timeout is None:
            raise Deadlock(self._loop.who_waits())
        if timeout > 0:
            self._loop.virtual += timeout
        return []

    def close(self) -> None:
        """Nothing is held."""


class SimLoop(asyncio.BaseEventLoop):
    """The loop.

    Args:
        seed: Gives the order; an even one leaves it as asyncio has it.
        start: Its time at the beginning, seconds.

    Attributes:
        virtual: Its time, seconds.
        passes: How often it looked at what is ready.
        thread_delay: Called for the seconds that work given to an executor takes; such work runs
            in the loop itself, at one virtual moment.
    """

    def __init__(self, seed: int, *, start: float = 0.0) -> None:
        super().__init__()
        self.virtual = start
        self.passes = 0
        self.thread_delay: Callable[[], float] = lambda: 0.0
        self._order = Random(seed) if seed % 2 else None  # noqa: S311  a schedule that repeats
        self._numbers = itertools.count(1)
        self._selector = _NoSelector(self)
        self._clock_resolution = 1e-9
        self.set_task_factory(self.make_task)  # type: ignore[arg-type]

    # -- time and order ----------------------------------------------------------------------

    @override
    def time(self) -> float:
        """Virtual seconds."""
        return self.virtual

    def _run_once(self) -> None:
        self.passes += 1
        if self.passes > MOST_PASSES:
            raise RuntimeError(f"no end after {MOST_PASSES} passes: {self.who_waits()}")
        if self._order is not None:
            ready = cast("deque[asyncio.Handle]", self._ready)  # type: ignore[attr-defined]
            if len(ready) > 1:
                handles = list(ready)
                self._order.shuffle(handles)
                ready.clear()
                ready.extend(handles)
        super()._run_once()  # type: ignore[misc]

    def _process_events(self, events: list[object]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """There is no other thread that this one must be woken for."""

    def make_task(
        self,
        loop: asyncio.AbstractEventLoop,
        coro: Coroutine[Any, Any, T],
        context: Context | None = None,
    ) -> SimTask[T]:
        """Make a task with a number of its own; the loop's task factory."""
        return SimTask(next(self._numbers), coro, loop=loop, context=context)

    def who_waits(self) -> str:
        """The unfinished tasks, each with the line it waits at."""
        found = []
        for task in sorted(asyncio.all_tasks(self), key=lambda task: task.get_name()):
            where = "nowhere"
            for frame in task.get_stack(limit=1):
                code = frame.f_code
                where = f"{code.co_filename.rpartition('/')[2]}:{frame.f_lineno} {code.co_name}"
            found.append(f"{task.get_name()} at {where}")
        return f"at {self.virtual:.3f} s nothing can go on: " + ("; ".join(found) or "no task")

    # -- what would be real ------------------------------------------------------------------

    @override
    def run_in_executor(
        self, executor: object, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Run the work in the loop itself, `thread_delay` later; no thread starts."""
        future: asyncio.Future[T] = self.create_future()

        def work() -> None:
            if future.cancelled():
                return
            try:
                future.set_result(func(*args))
            except Exception as error:  # noqa: BLE001  it belongs to whoever waits
                future.set_exception(error)

        self.call_later(self.thread_delay(), work)
        return future

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise RuntimeError("a simulation does nothing real: no socket, no process, no address")

    def _refuse_later(self, *_: object, **__: object) -> Awaitable[Any]:
        self._refuse()

    create_connection = create_server = create_datagram_endpoint = _refuse_later  # type: ignore[assignment]
    create_unix_connection = create_unix_server = connect_accepted_socket = _refuse_later  # type: ignore[assignment]
    getaddrinfo = getnameinfo = subprocess_exec = subprocess_shell = _refuse_later  # type: ignore[assignment]
    sock_connect = sock_recv = sock_sendall = sock_accept = start_tls = _refuse_later  # type: ignore[assignment]
    connect_read_pipe = connect_write_pipe = _refuse_later  # type: ignore[assignment]
    add_reader = add_writer = add_signal_handler = _refuse
