"""Where a daemon is in its tick, seen from outside, and the step at which it kills itself.

A test puts `HOOK` as `sitecustomize.py` first on the path of a daemon that it starts: Python
imports that before anything else. Then the daemon keeps in a small mapped file, which outlives it,
at which step its two threads are, and dies by SIGKILL at the step that `environment` named. Nothing
of this is in the product: functions of the engine and the store are wrapped from here.

The road of a part: claim → recorder → write → response → results and reports in a tick → commit →
recorder cleared → report acknowledged.
"""

from __future__ import annotations

import mmap
import os
import signal
import sqlite3
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from typing_extensions import override

from fzalert.delivery import engine, gathered, recorder, slot, wire
from fzalert.ports import InboundBatch
from fzalert.store.sqlite import store, ticking, writer

__all__ = [
    "HOOK",
    "IN_TICK",
    "LINK",
    "LOOP",
    "RECOVERY",
    "STEPS",
    "STORE",
    "Place",
    "environment",
    "guarded",
    "histogram",
]

RECOVERY = ("lease taken", "recorder read", "recovered on disk", "recorder reset")
"""Steps of a start, before anything is sent."""
LOOP = (
    "batch handed over",
    "before recorder",
    "recorder set",
    "before write",
    "written",
    "response read",
    "response recorded",
    "report read",
    "results gathered",
    "commit known",
    "recorder cleared",
    "before acknowledge",
    "acknowledged",
    "acceptance known",
)
"""Steps of the event loop."""
STORE = (
    "acceptance in transaction",
    "tick begun",
    "results in tick",
    "reports in tick",
    "before claim",
    "claimed",
    "before commit",
    "committed",
)
"""Steps of the thread that writes."""
IN_TICK = frozenset(STORE[1:7])
"""While the writing thread is here, a tick is open."""
STEPS = (*RECOVERY, *LOOP, *STORE)

_IDLE = 255
_LAYOUT = struct.Struct("<BBd")
"""Step of the event loop, step of the writing thread, seconds by the monotonic clock at the end."""
_FILE, _STEP, _COUNT, _AFTER = "FZ_STEPS", "FZ_DIE_AT", "FZ_DIE_AT_COUNT", "FZ_DIE_AFTER"
_BROKEN = 70

LINK = ("fzalert_sms.carrier.transport", "Link", "flush")
"""Where a carrier's line hands bytes to its socket: module, class, method."""

HOOK = """
from fzalert.testing import steps
steps.guarded(*steps.LINK)
"""
"""The text of a `sitecustomize.py` that switches this on, for a daemon with a carrier's line."""


class Place(NamedTuple):
    """Where a daemon was when it was last heard of; empty words between two steps.

    Attributes:
        loop: Step of the event loop, or of the start.
        store: Step of the writing thread.
        died_at: Seconds by the machine's monotonic clock where it killed itself, or 0.0.
    """

    loop: str
    store: str
    died_at: float = 0.0

    @property
    def in_tick(self) -> bool:
        """Whether a tick was open."""
        return self.store in IN_TICK

    @classmethod
    def of(cls, file: Path) -> Place:
        """Read what a daemon left."""
        loop, store, died_at = _LAYOUT.unpack(file.read_bytes())
        names = dict(enumerate(STEPS))
        return cls(names.get(loop, ""), names.get(store, ""), died_at)


def environment(file: Path, die_at: str = "", *, count: int = 1, after: int = 0) -> dict[str, str]:
    """The variables for a daemon with the hook.

    Args:
        file: Where it keeps its place.
        die_at: The step at which it kills itself; none by default.
        count: At the how manieth time it gets there.
        after: Parts that it must have written before it counts.
    """
    file.write_bytes(_LAYOUT.pack(_IDLE, _IDLE, 0.0))
    return {_FILE: str(file), _STEP: die_at, _COUNT: str(count), _AFTER: str(after)}


class _Marks:
    """What the wrappers call."""

    def __init__(self, file: Path, die_at: str, count: int, after: int) -> None:
        with file.open("r+b") as handle:
            self._map = mmap.mmap(handle.fileno(), _LAYOUT.size)
        self._number = {step: number for number, step in enumerate(STEPS)}
        self._lane = {step: int(step in STORE) for step in STEPS}
        self._die_at = die_at
        self._left = count
        self._after = after
        self.written = 0
        self.unwritten = 0

    def at(self, step: str) -> None:
        """Note a step, and die there where that was asked for."""
        self._map[self._lane[step]] = self._number[step]
        if step == self._die_at and self.written >= self._after:
            self._left -= 1
            if not self._left:
                _LAYOUT.pack_into(self._map, 0, *self._map[:2], time.monotonic())
                os.kill(os.getpid(), signal.SIGKILL)

    def idle(self, step: str) -> None:
        """Note that the thread of this step is between two of them."""
        self._map[self._lane[step]] = _IDLE


def guarded(module: str, link: str, write: str) -> None:
    """Switch on where the variables ask for it; a hook that does not fit ends the process.

    Python would only print an error of its `sitecustomize` and go on.

    Args:
        module: The adapter's module that hands bytes to the socket.
        link: The class there.
        write: Its method: all that waits, in one write.
    """
    if _FILE not in os.environ:
        return
    try:
        marks = _Marks(
            Path(os.environ[_FILE]),
            os.environ[_STEP],
            int(os.environ[_COUNT]),
            int(os.environ[_AFTER]),
        )
        _install_engine(marks)
        _install_store(marks)
        _install_write(marks, getattr(import_module(module), link), write)
    except Exception as error:  # noqa: BLE001  whatever it is, no test may run without its hook
        sys.stderr.write(f"steps: the hook does not fit the daemon: {error!r}\n")
        os._exit(_BROKEN)


def _wrap(
    marks: _Marks,
    where: object,
    name: str,
    *,
    before: str = "",
    after: str = "",
    ends: bool = False,
) -> None:
    """Note a step before and one after a plain function."""
    real: Callable[..., Any] = getattr(where, name)

    def marked(*args: Any, **kwargs: Any) -> Any:
        if before:
            marks.at(before)
        found = real(*args, **kwargs)
        if after:
            marks.at(after)
        if ends:
            marks.idle(after or before)
        return found

    _plant(where, name, marked)


def _plant(where: object, name: str, marked: object) -> None:
    setattr(where, name, marked)


def _install_engine(marks: _Marks) -> None:
    _wrap(marks, engine.Engine, "_recover", before="lease taken")
    _wrap(marks, engine, "recovered_rows", after="recorder read")
    _wrap(
        marks,
        recorder.Recorder,
        "reset",
        before="recovered on disk",
        after="recorder reset",
        ends=True,
    )
    _wrap(marks, slot.Slot, "_submit", before="batch handed over")
    _wrap(marks, wire.SlotWire, "settle", before="response read", after="response recorded")
    _wrap(marks, slot.Slot, "_tick", before="results gathered")
    _wrap(marks, slot.Slot, "_after", before="commit known", ends=True)
    _wrap(marks, recorder.Recorder, "clear", after="recorder cleared")
    _wrap(marks, engine.Engine, "hand_over", before="acceptance known")
    _install_acknowledge(marks)


def _install_acknowledge(marks: _Marks) -> None:
    real = gathered.Gathered.add_inbound

    def add_inbound(self: gathered.Gathered, batch: InboundBatch) -> None:
        def acknowledge() -> None:
            marks.at("before acknowledge")
            batch.acknowledge()
            marks.at("acknowledged")

        marks.at("report read")
        real(self, replace(batch, acknowledge=acknowledge))

    _plant(gathered.Gathered, "add_inbound", add_inbound)


def _install_write(marks: _Marks, link: type, write: str) -> None:
    writing, flush = wire.SlotWire.writing, getattr(link, write)

    def marked(self: wire.SlotWire, id: int, part: int, key: bytes) -> None:
        marks.at("before recorder")
        writing(self, id, part, key)
        marks.unwritten += 1
        marks.at("recorder set")

    def flushed(self: object) -> None:
        parts, marks.unwritten = marks.unwritten, 0
        if parts:
            marks.at("before write")
        flush(self)
        if parts:
            marks.written += parts
            marks.at("written")

    _plant(wire.SlotWire, "writing", marked)
    _plant(link, write, flushed)


def _install_store(marks: _Marks) -> None:
    real_connect = sqlite3.connect
    real_changes: Callable[..., Any] = getattr(store, "write_changes")  # noqa: B009  not exported

    class Marked(sqlite3.Connection):
        @override
        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            if sql == "COMMIT":
                marks.at("before commit")
            return super().execute(sql, *values)

    def connect(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        return real_connect(*args, factory=Marked, **kwargs)

    def write_changes(db: Any, vault: Any, changes: Any, now: int) -> Any:
        found = real_changes(db, vault, changes, now)
        if changes.accepts:
            marks.at("acceptance in transaction")
        return found

    _plant(sqlite3, "connect", connect)
    _plant(store, "write_changes", write_changes)
    _wrap(marks, store, "tick", before="tick begun")
    _wrap(marks, ticking, "write_results", after="results in tick")
    _wrap(marks, ticking, "write_inbound", after="reports in tick")
    _wrap(marks, ticking, "claim", before="before claim", after="claimed")
    _wrap(marks, writer.Writer, "_hand_back", before="committed", ends=True)


def histogram(places: Iterable[Place]) -> str:
    """Draw how often each step was hit, for each of the two threads, the most frequent first."""
    seen = list(places)
    lines: list[str] = []
    for title, steps in (
        ("event loop", Counter(place.loop for place in seen)),
        ("writing thread", Counter(place.store for place in seen)),
    ):
        lines.append(f"steps of the {title}:")
        lines += [
            f"  {count:4} {step or 'between two steps':26} {'#' * min(60, count)}"
            for step, count in steps.most_common()
        ]
    return "\n".join(lines) + "\n"
