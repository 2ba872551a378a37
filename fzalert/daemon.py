"""Start and stop in order: store and service, then the web; the other way round at the end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from types import FrameType

import structlog
from starlette.types import ASGIApp

from fzalert.access import Directory
from fzalert.background import Background
from fzalert.clock import Clock, SystemClock
from fzalert.config import Settings
from fzalert.errors import FzalertError, StoreDamaged, StoreError
from fzalert.service.api import DaemonApi
from fzalert.service.core import Service
from fzalert.service.models import StatusView
from fzalert.web import Door, MachineDoor, Stopping, Watch, WebServer, build_app

__all__ = ["Ready", "ServiceOpener", "run"]

_log = structlog.get_logger(__name__)
STOPPED_AT_ONCE = 130
RESTORE = (
    "Keep the file. Restore the newest backup (fzalert backup verify says whether it is sound),"
    " then fzalert run --resume-as-unknown."
)

ServiceOpener = Callable[[Settings], AbstractAsyncContextManager[DaemonApi]]
"""Opens the service: takes the lock and the store, opens the channels; drains when it closes."""


@dataclass(frozen=True, slots=True)
class Ready:
    """What is known once everything serves.

    Attributes:
        web: Address of the pages.
        machines: Address of the second listener, for client certificates; empty without one.
        status: How the service was at that moment.
    """

    web: str
    status: StatusView
    machines: str = ""


class WebFailed(FzalertError):
    """The web server died of itself; the process stops so that its supervisor starts it again."""

    code = "web-failed"


async def run(
    settings: Settings,
    *,
    ready: Callable[[Ready], None] | None = None,
    open_service: ServiceOpener | None = None,
    clock: Clock | None = None,
    adopt: Callable[[Settings], None] | None = None,
) -> None:
    """Serve until a signal asks to stop, then drain; a second signal ends the process at once.

    SIGHUP reads the configuration again; what becomes of it is logged and shown by the status.

    Args:
        settings: What to run.
        ready: Called once everything serves.
        open_service: Opens the service; the real one where none is given.
        clock: The clock; the machine's where none is given.
        adopt: Called after each reload with the settings that run then.

    Raises:
        StoreInUse: Another process owns the store.
        ListenError: The address of the pages cannot be bound.
        WebFailed: The web server died.
        StoreDamaged: The store was found damaged while it ran.
    """
    clock = clock or SystemClock()
    stop, again = asyncio.Event(), asyncio.Event()
    with _signals(stop, again):
        async with (open_service or _open_service)(settings) as service:
            stopping = Stopping()
            watch = Watch(clock)
            app = build_app(service, settings, stopping=stopping, clock=clock, watch=watch)
            server = WebServer(app, settings.web, stopping)
            second = _second(app, settings, stopping)
            async with (
                server.serving() as url,
                second.serving() if second else contextlib.nullcontext("") as machines,
                Background() as tasks,
            ):
                service.set_web(url)
                service.on_reload(_reloading, _reloaded(url, adopt))
                status = await service.status()
                _log.info("daemon.ready", web=url, machines=machines, channels=len(status.channels))
                notify(f"READY=1\nSTATUS={url}")
                _ = tasks.keep("watchdog", lambda: _watchdog(service, clock))
                _ = tasks.keep("watch", lambda: watch.keep(service))
                _ = tasks.keep("reload", lambda: _reload_when_asked(service, again))
                if ready is not None:
                    ready(Ready(url, status, machines))
                damaged = asyncio.Event()
                _ = tasks.keep("damage", lambda: _watch_store(service, damaged))
                failed = [server.failed, *([second.failed] if second else [])]
                await _first(stop, damaged, *failed)
                notify("STOPPING=1")
                _log.info("daemon.stopping")
            service.set_web("")
    if damaged.is_set():
        raise StoreDamaged(
            "The store is damaged; the log says where. Nothing more was sent from it.",
            hint=RESTORE,
        )
    if server.failed.is_set() or (second is not None and second.failed.is_set()):
        raise WebFailed("The web server died; the log has the details.")
    _log.info("daemon.stopped")


async def _watch_store(service: DaemonApi, damaged: asyncio.Event) -> None:
    await service.damage()
    damaged.set()


def _second(app: ASGIApp, settings: Settings, stopping: Stopping) -> WebServer | None:
    """The server for machines with client certificates; None where none is configured."""
    door = Door.second(settings.web)
    if door is None:
        return None
    return WebServer(MachineDoor(app), settings.web, stopping, door=door)


def _open_service(settings: Settings) -> AbstractAsyncContextManager[DaemonApi]:
    return Service(settings)


async def _first(*events: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as group:
        waits = [group.create_task(event.wait()) for event in events]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in waits:
            task.cancel()


async def _reload_when_asked(service: DaemonApi, again: asyncio.Event) -> None:
    """Reload at each SIGHUP; whoever may send one may do what the account may do."""
    while True:
        await again.wait()
        again.clear()
        try:
            await service.reload(Directory().local_actor())
        except FzalertError as error:
            _log.warning("daemon.not_reloaded", code=error.code)  # the service said why


def _reloading() -> None:
    """Tell systemd that the service is busy with itself. Source: sd_notify(3), RELOADING=1."""
    now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notify(f"RELOADING=1\nMONOTONIC_USEC={now}\nSTATUS=reloading")


def _reloaded(url: str, adopt: Callable[[Settings], None] | None) -> Callable[[Settings], None]:
    def tell(settings: Settings) -> None:
        if adopt is not None:
            adopt(settings)
        notify(f"READY=1\nSTATUS={url} {settings.digest[:12]}")

    return tell


@contextlib.contextmanager
def _signals(stop: asyncio.Event, again: asyncio.Event) -> Iterator[None]:
    """Let SIGTERM and SIGINT set `stop`; the second one ends the process on the spot.

    SIGHUP, where there is one, sets `again`.

    That is safe at any moment: whatever was accepted is on disk.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals belong to the main thread; its owner stops us
        return
    loop = asyncio.get_running_loop()
    asked = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        del number, frame
        if asked:
            os.write(2, b"fzalert: stopped at once; what was accepted is on disk\n")
            os._exit(STOPPED_AT_ONCE)
        asked = True
        loop.call_soon_threadsafe(stop.set)

    def handle_again(number: int, frame: FrameType | None) -> None:
        del number, frame
        loop.call_soon_threadsafe(again.set)

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    if sys.platform != "win32":
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, handle_again)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


async def _watchdog(service: DaemonApi, clock: Clock) -> None:
    """Tell systemd that we live, each time the store has answered, its writer too.

    A store that answers that its disk is full lives: a restart frees no disk.
    """
    asked = os.environ.get("WATCHDOG_USEC", "")
    if not asked.isdecimal() or int(asked) == 0:
        return
    pause = timedelta(microseconds=int(asked)).total_seconds() / 2
    while True:
        with contextlib.suppress(StoreError):
            await service.prove()
        notify("WATCHDOG=1")
        await clock.sleep(pause)


def notify(state: str) -> None:
    """Tell systemd one state; nothing happens where it did not start us.

    Source: sd_notify(3).
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address or sys.platform == "win32":
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        try:
            sender.sendto(state.encode(), address.replace("@", "\0", 1))
        except OSError as error:
            _log.warning("daemon.notify-failed", reason=error.strerror)
