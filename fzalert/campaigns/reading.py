"""A list read by a process of its own, batch by batch, as fast as its rows are put on disk.

The daemon opens the file and hands it over; it never parses any of it, holds one batch at a time,
and stays free for what is urgent. Whatever becomes of the reading process (it crashes, it is
killed, it runs into a limit, it says nothing for too long) is an error that says what to do.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from fzalert.campaigns.selection import Selection
from fzalert.campaigns.table import open_list
from fzalert.errors import ConfigError, InputError
from fzalert.messages import Target, TargetKind

__all__ = ["ListNotRead", "ListReading", "Person", "ReadingLimits"]

LONGEST_LINE = 2 * 1024 * 1024
LONGEST_TAGS = 2000
END_WITHIN = 5.0
_ADDRESS = re.compile(r"\+\d{8,15}", re.ASCII)
_NEW_COPY = "Copy the list into a new workbook, or save it as .csv, and import that."


class ListNotRead(InputError):
    """The process that reads a list ended, or was stopped, before the list did."""

    code = "list-not-read"


@dataclass(frozen=True, slots=True)
class ReadingLimits:
    """What the process that reads a list may take.

    Attributes:
        memory: Address space, bytes. Half a million rows of a workbook take about half of it.
        cpu_seconds: Processor time.
        silent_seconds: Longest wait for its next word.
    """

    memory: int = 1024**3
    cpu_seconds: int = 60
    silent_seconds: float = 300.0


class Person(NamedTuple):
    """One who will be written to.

    Attributes:
        target: The phone.
        tags: Village and group, as the store keeps them.
    """

    target: Target
    tags: str


class ListReading:
    """One list that is being read; use `async with`.

    Args:
        path: The list, absolute.
        limits: Of the process that reads it.
        only: Groups that are chosen, as key=value; everybody unless given.
        excluded: Groups that are left out.
        today: By which ages are reckoned from birthdays.

    Attributes:
        rows: Rows read up to now.
        summary: What the list came to, as a campaign keeps it; whole after the last batch.
    """

    def __init__(
        self,
        path: Path,
        limits: ReadingLimits | None = None,
        *,
        only: Sequence[str] = (),
        excluded: Sequence[str] = (),
        today: date | None = None,
    ) -> None:
        self.rows = 0
        self.summary: dict[str, object] = {}
        self._path = path
        self._limits = limits or ReadingLimits()
        Selection(only, excluded)  # what is no choice at all is known before a process starts
        self._choice = json.dumps(
            {
                "only": list(only),
                "excluded": list(excluded),
                "today": today.isoformat() if today else "",
            }
        )
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """The process that reads; 0 while there is none."""
        return self._process.pid if self._process is not None else 0

    async def __aenter__(self) -> Self:
        file = await asyncio.to_thread(open_list, self._path)
        limits = self._limits
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-m",
                "fzalert.campaigns.child",
                self._path.name,
                str(limits.memory),
                str(limits.cpu_seconds),
                self._choice,
                stdin=file,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env={"LC_ALL": "C.UTF-8"},
                cwd="/",
                start_new_session=True,
                limit=LONGEST_LINE,
            )
        finally:
            file.close()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            with suppress(ProcessLookupError):
                # Not by `process.kill`, which would reap it before its watcher has seen it end.
                os.kill(process.pid, signal.SIGKILL)
        with suppress(TimeoutError):
            # What it still had to say is read, which closes the pipe. A process that the kernel
            # cannot end yet is left to it.
            await asyncio.wait_for(process.communicate(), END_WITHIN)

    async def batches(self) -> AsyncIterator[Sequence[Person]]:
        """Give the people of the list; what one number stands for twice is left out already.

        Raises:
            InputError: The list is none, or has nobody; the text names the row where there is one.
            ListNotRead: The process that reads it did not come to the end.
            ConfigError: A package that reads workbooks is not installed.
        """
        while True:
            told = await self._line()
            match told:
                case {"people": list() as people, "rows": int() as rows}:
                    self.rows = rows
                    yield [self._person(one) for one in people]
                case {"summary": dict() as summary}:
                    if not summary.get("recipients"):
                        raise _nobody(self._path.name, summary)
                    self.summary = summary
                    return
                case {"fault": dict() as fault}:
                    raise _fault(fault)
                case _:
                    raise self._nonsense()

    async def _line(self) -> object:
        process = self._process
        if process is None or process.stdout is None:
            raise RuntimeError("the list is not open; use `async with`")
        try:
            async with asyncio.timeout(self._limits.silent_seconds):
                line = await process.stdout.readline()
                code = None if line else await process.wait()
        except TimeoutError:
            raise ListNotRead(
                f"{self._path.name} was not read on for {self._limits.silent_seconds:g} s.",
                hint=f"The machine is too busy, or the file is made to stall. {_NEW_COPY}",
                field="file",
            ) from None
        except ValueError:
            raise self._nonsense() from None
        if code is not None:
            raise self._ended(code)
        try:
            told: object = json.loads(line)
        except ValueError:
            raise self._nonsense() from None
        return told

    def _person(self, one: object) -> Person:
        """Believe nothing of a process that may have been broken into."""
        match one:
            case [str() as address, str() as tags] if _ADDRESS.fullmatch(address):
                if len(tags) <= LONGEST_TAGS:
                    return Person(Target(TargetKind.PHONE, address), tags)
        raise self._nonsense()

    def _nonsense(self) -> ListNotRead:
        return ListNotRead(
            f"The process that reads {self._path.name} gave an answer that is none.",
            hint=_NEW_COPY,
            field="file",
        )

    def _ended(self, code: int) -> ListNotRead:
        limits = self._limits
        if code == -signal.SIGXCPU:
            why = f"took more than {limits.cpu_seconds} s of processor time"
        elif code in {-signal.SIGKILL, -signal.SIGTERM}:
            why = "was ended from outside; the machine may be out of memory"
        elif code == -signal.SIGABRT:
            why = f"took more than {limits.memory // 1024**2} MiB of memory"
        elif code < 0:
            why = f"crashed (signal {-code})"
        else:
            why = f"ended early (exit {code})"
        hint = "Split it by village and import it again." if code else _NEW_COPY
        if code == -signal.SIGSEGV:
            hint = _NEW_COPY
        return ListNotRead(f"Reading {self._path.name} {why}.", hint=hint, field="file")


def _nobody(name: str, summary: dict[str, object]) -> InputError:
    match summary:
        case {"refusals": [{"row": row, "reason": reason}, *_]}:
            why = f"row {row}: {reason}"
        case _:
            why = "it has no rows below its header"
    return InputError(
        f"{name} has nobody who can be written to: {why}.",
        hint="Mend the list and import it again.",
        field="file",
    )


def _fault(fault: dict[str, object]) -> InputError | ConfigError:
    what, hint = str(fault.get("what", "")), str(fault.get("hint", ""))
    if fault.get("kind") == "config":
        return ConfigError(what, hint=hint)
    row = fault.get("row")
    return InputError(
        what,
        hint=hint,
        field=str(fault.get("field", "")),
        row=row if isinstance(row, int) else None,
    )
