"""The steps on the road of a freeze request at which a daemon or a desk kills itself.

The road: approve → send → deliver → the desk receives → the desk answers → the receipt is recorded.
Nothing of this is in the product: its functions are wrapped from here, in a process of its own that
`environment` told where to die. It writes the step's name into a file before it goes.
"""

from __future__ import annotations

import functools
import inspect
import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

__all__ = ["DAEMON", "DESK", "HOOK", "environment", "guarded"]

_FILE, _STEP, _COUNT = "FZ_FREEZE_FILE", "FZ_FREEZE_STEP", "FZ_FREEZE_COUNT"
_BROKEN = 70

HOOK = """
from fzalert.testing import freeze_steps
freeze_steps.guarded()
"""
"""The text of a `sitecustomize.py` that switches this on."""

_Word: TypeAlias = Callable[..., str]
_EVENTS = {
    "instruction.approved": "approval",
    "instruction.sent": "sending",
    "instruction.acknowledged": "acknowledgement",
    "instruction.answered": "receipt",
}
DAEMON = (
    *(f"{what} {when}" for what in _EVENTS.values() for when in ("decided", "on disk")),
    "batch handed over",
    "before recorder",
    "recorder set",
    "before post",
    "acknowledgement read",
    "acknowledgement settled",
    "page of answers read",
    "answer taken from the feed",
)
"""Steps of the daemon."""
DESK = (
    "package let in",
    "item decided",
    "item on disk",
    "before core",
    "core has acted",
    "answer decided",
    "answer on disk",
    "answer given",
)
"""Steps of the desk."""


def environment(file: Path, die_at: str, *, count: int = 1) -> dict[str, str]:
    """The variables for a process that dies.

    Args:
        file: Where it says so.
        die_at: One of `DAEMON` or `DESK`.
        count: At the how manieth time it gets there.

    Raises:
        ValueError: There is no such step.
    """
    if die_at not in {*DAEMON, *DESK}:
        raise ValueError(f"no step {die_at!r}")
    file.unlink(missing_ok=True)
    return {_FILE: str(file), _STEP: die_at, _COUNT: str(count)}


def guarded() -> None:
    """Switch on where the variables ask for it; a hook that does not fit ends the process."""
    if _STEP not in os.environ:
        return
    try:
        marks = _Marks(Path(os.environ[_FILE]), os.environ[_STEP], int(os.environ[_COUNT]))
        step = os.environ[_STEP]
        if step in DESK:
            _install_desk(marks)
        else:
            _install_daemon(marks)
    except Exception as error:  # noqa: BLE001  whatever it is, no test may run without its hook
        sys.stderr.write(f"freeze_steps: the hook does not fit: {error!r}\n")
        os._exit(_BROKEN)


class _Marks:
    """What the wrappers call."""

    def __init__(self, file: Path, die_at: str, count: int) -> None:
        self._file = file
        self._die_at = die_at
        self._left = count

    def at(self, step: str) -> None:
        """Die here where that was asked for."""
        if step != self._die_at:
            return
        self._left -= 1
        if not self._left:
            self._file.write_text(step, encoding="utf-8")
            os.kill(os.getpid(), signal.SIGKILL)


def _install_daemon(marks: _Marks) -> None:
    def written(when: str) -> _Word:
        def word(_self: Any, _id: str, _case: Any, events: Any, *_: Any) -> str:
            return next((f"{_EVENTS[e.type]} {when}" for e in events if e.type in _EVENTS), "")

        return word

    def taken(_self: Any, row: Any) -> str:
        return "answer taken from the feed" if str(row.kind) == "answer" else ""

    wrap = functools.partial(_wrap, marks)
    wrap("fzalert.freeze.book:CaseBook._write", written("decided"), written("on disk"))
    wrap("fzalert.delivery.slot:Slot._submit", _always("batch handed over"))
    wrap(
        "fzalert.delivery.wire:SlotWire.writing",
        _always("before recorder"),
        _always("recorder set"),
    )
    wrap(
        "fzalert_bank.line:DeskLine.hand_over",
        _always("before post"),
        _always("acknowledgement read"),
    )
    wrap("fzalert.delivery.wire:SlotWire.settle", after=_always("acknowledgement settled"))
    wrap("fzalert_bank.adapter:BankDesks._row", _always("page of answers read"))
    wrap("fzalert.service.freeze_answers:AnswerReader._take", taken)


def _install_desk(marks: _Marks) -> None:
    def let_in(_self: Any, method: str, *_: Any) -> str:
        return "package let in" if method == "POST" else ""

    def written(when: str) -> _Word:
        def word(_self: Any, _key: str, _row: Any, what: str, *_: Any) -> str:
            return {"desk.receive": f"item {when}", "desk.answer": f"answer {when}"}.get(what, "")

        return word

    def given(page: Any) -> str:
        return "answer given" if page.items else ""

    wrap = functools.partial(_wrap, marks)
    wrap("fzalert.access.requests:RequestGate.check", after=let_in)
    wrap("fzalert.desk.inbox:Inbox._write", written("decided"), written("on disk"))
    wrap("fzalert.desk.service:ask_hook", _always("before core"), _always("core has acted"))
    wrap("fzalert.desk.service:DeskService.answers", found=given)


def _always(word: str) -> _Word:
    return lambda *_: word


def _never(*_: Any) -> str:
    return ""


def _wrap(
    marks: _Marks,
    place: str,
    before: _Word = _never,
    after: _Word = _never,
    found: Callable[[Any], str] = _never,
) -> None:
    """Note a step before and one after a function, as words say for its arguments or its result."""
    real = _found(place)
    if inspect.iscoroutinefunction(real):

        @functools.wraps(real)
        async def waiting(*args: Any, **kwargs: Any) -> Any:
            marks.at(before(*args))
            result = await real(*args, **kwargs)
            marks.at(after(*args) or found(result))
            return result

        _put(place, waiting)
        return

    @functools.wraps(real)
    def plain(*args: Any, **kwargs: Any) -> Any:
        marks.at(before(*args))
        result = real(*args, **kwargs)
        marks.at(after(*args) or found(result))
        return result

    _put(place, plain)


def _owner(place: str) -> tuple[Any, str]:
    module, _, path = place.partition(":")
    where: Any = import_module(module)
    *owners, name = path.split(".")
    for one in owners:
        where = getattr(where, one)
    return where, name


def _found(place: str) -> Callable[..., Any]:
    where, name = _owner(place)
    found: Callable[..., Any] = getattr(where, name)
    return found


def _put(place: str, marked: object) -> None:
    where, name = _owner(place)
    setattr(where, name, marked)
