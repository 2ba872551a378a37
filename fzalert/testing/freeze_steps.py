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
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

__all__ = ["BUGS", "DAEMON", "DESK", "HOOK", "RUNNER", "environment", "guarded"]

_FILE, _STEP, _BUG = "FZ_FREEZE_FILE", "FZ_FREEZE_STEP", "FZ_FREEZE_BUG"
_COUNT = "FZ_FREEZE_COUNT"
_BROKEN = 70

HOOK = "from fzalert.testing import freeze_steps\nfreeze_steps.guarded()\n"
"""The text of a `sitecustomize.py` that switches this on."""

_Given: TypeAlias = Mapping[str, Any]
_Word: TypeAlias = Callable[[_Given], str]
_EVENTS = {
    "instruction.approved": "approval",
    "instruction.sent": "sending",
    "instruction.acked": "acknowledgement",
    "instruction.answered": "receipt",
    "deadline.reminded": "reminder",
}
_ROAD = ("approval", "sending", "acknowledgement", "receipt")
DAEMON = (
    *(f"{what} {when}" for what in _ROAD for when in ("decided", "on disk")),
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
RUNNER = ("reminder decided", "reminder on disk")
"""Steps of a daemon whose deadlines fire."""
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


def environment(file: Path, die_at: str = "", *, count: int = 1, bug: str = "") -> dict[str, str]:
    """The variables for a process.

    Args:
        file: Where it says that it dies.
        die_at: One of `DAEMON`, `RUNNER` or `DESK`, or empty: it lives on.
        count: At the how manieth time it gets there.
        bug: One of `BUGS`, or empty.

    Raises:
        ValueError: There is no such step, or no such bug.
    """
    if die_at not in {"", *DAEMON, *RUNNER, *DESK} or bug not in {"", *BUGS}:
        raise ValueError(f"no step {die_at!r}, or no bug {bug!r}")
    file.unlink(missing_ok=True)
    return {_FILE: str(file), _STEP: die_at, _COUNT: str(count), _BUG: bug}


def guarded() -> None:
    """Switch on where the variables ask for it; a hook that does not fit ends the process."""
    if _FILE not in os.environ:
        return
    try:
        step, bug = os.environ[_STEP], os.environ[_BUG]
        marks = _Marks(Path(os.environ[_FILE]), step, int(os.environ[_COUNT]))
        if step:
            (_install_desk if step in DESK else _install_daemon)(marks)
        if bug:
            BUGS[bug]()
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
        if not step or step != self._die_at:
            return
        self._left -= 1
        if not self._left:
            self._file.write_text(step, encoding="utf-8")
            os.kill(os.getpid(), signal.SIGKILL)


def _install_daemon(marks: _Marks) -> None:
    def written(when: str) -> _Word:
        def word(given: _Given) -> str:
            kinds = [one.type for one in given["events"]]
            return next((f"{_EVENTS[kind]} {when}" for kind in kinds if kind in _EVENTS), "")

        return word

    def taken(given: _Given) -> str:
        return "answer taken from the feed" if str(given["row"].kind) == "answer" else ""

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
    def let_in(given: _Given) -> str:
        return "package let in" if given["method"] == "POST" else ""

    def written(when: str) -> _Word:
        words = {"desk.receive": f"item {when}", "desk.answer": f"answer {when}"}
        return lambda given: words.get(given["what"], "")

    def answered(page: Any) -> str:
        return "answer given" if page.items else ""

    wrap = functools.partial(_wrap, marks)
    wrap("fzalert.access.requests:RequestGate.check", after=let_in)
    wrap("fzalert.desk.inbox:Inbox._write", written("decided"), written("on disk"))
    wrap("fzalert.desk.service:ask_hook", _always("before core"), _always("core has acted"))
    wrap("fzalert.desk.service:DeskService.answers", found=answered)


def _always(word: str) -> _Word:
    return lambda _: word


def _never(_: object) -> str:
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
    shape = inspect.signature(real)
    if inspect.iscoroutinefunction(real):

        @functools.wraps(real)
        async def waiting(*args: Any, **kwargs: Any) -> Any:
            given = shape.bind(*args, **kwargs).arguments
            marks.at(before(given))
            result = await real(*args, **kwargs)
            marks.at(after(given) or found(result))
            return result

        _put(place, waiting)
        return

    @functools.wraps(real)
    def plain(*args: Any, **kwargs: Any) -> Any:
        given = shape.bind(*args, **kwargs).arguments
        marks.at(before(given))
        result = real(*args, **kwargs)
        marks.at(after(given) or found(result))
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


# -- planted bugs --------------------------------------------------------------------------


def _send_apart() -> None:
    """The message to the desk is written by a commit of its own, after that of the event."""
    from fzalert.store import ChangeSet

    place = "fzalert.freeze.book:CaseBook._write"
    real = _found(place)
    shape = inspect.signature(real)

    async def apart(*args: Any, **kwargs: Any) -> Any:
        given = shape.bind(*args, **kwargs)
        accepts = tuple(given.arguments["around"].accepts)
        given.arguments["around"] = replace(given.arguments["around"], accepts=())
        written = await real(*given.args, **given.kwargs)
        if accepts:
            store = given.arguments["self"]._store
            return written[0], await store.commit(ChangeSet(accepts=accepts))
        return written

    _put(place, apart)


def _forget_packages() -> None:
    """A desk takes every package for a new one."""
    place = "fzalert.desk.inbox:Inbox.take"
    real, read = _found(place), _found("fzalert.desk.inbox:Inbox._read")

    async def nothing(*_: Any) -> None:
        return None

    async def take(self: Any, *args: Any, **kwargs: Any) -> Any:
        self._read = nothing
        try:
            return await real(self, *args, **kwargs)
        finally:
            self._read = functools.partial(read, self)

    _put(place, take)


BUGS: dict[str, Callable[[], None]] = {
    "sent apart from the event": _send_apart,
    "the desk forgets": _forget_packages,
}
"""What may be planted: the recount has to find each."""
