"""What a command writes: text for people or JSON for programs, on standard output.

The rest, such as errors and questions, goes to standard error.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from fzalert.cli.exits import Exit
from fzalert.errors import FzalertError, GuardsUnmet

__all__ = ["Output", "width"]

_COLOURS = {"ok": "32", "warn": "33", "bad": "31", "quiet": "2", "title": "1"}


class Output:
    """Where a command's results go.

    Args:
        as_json: One JSON object a line, and nothing else, on standard output.
        out: Standard output.
        err: Standard error.
    """

    def __init__(
        self, *, as_json: bool = False, out: TextIO | None = None, err: TextIO | None = None
    ) -> None:
        self.as_json = as_json
        self._out = out or sys.stdout
        self._err = err or sys.stderr

    def line(self, text: str = "") -> None:
        """Write a line for people; nothing where the output is JSON."""
        if not self.as_json:
            self._write(self._out, text)

    def raw(self, text: str) -> None:
        """Write a line that people and programs read alike."""
        self._write(self._out, text)

    def note(self, text: str) -> None:
        """Write a line about what is going on, to standard error."""
        self._write(self._err, text)

    def data(self, value: object) -> None:
        """Write one JSON object; nothing where the output is for people."""
        if self.as_json:
            self._write(self._out, to_json(value))

    def rows(self, values: Iterable[object]) -> None:
        """Write JSON objects, one a line."""
        for value in values:
            self.data(value)

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Write a table for people; Chinese characters count as two columns."""
        if self.as_json:
            return
        cells = [[str(cell).replace("\n", " ") for cell in row] for row in rows]
        widths = [
            max([width(title), *(width(row[column]) for row in cells)])
            for column, title in enumerate(head)
        ]
        self.line(self.paint("title", _join(head, widths)))
        for row in cells:
            self.line(_join(row, widths))

    def error(self, error: FzalertError, code: Exit) -> None:
        """Say what went wrong and what to do next, once, on standard error."""
        text = str(error.args[0])
        if self.as_json:
            found: dict[str, object] = {
                "code": error.code,
                "text": text,
                "hint": error.hint,
                "exit": int(code),
            }
            if isinstance(error, GuardsUnmet):
                found["guards"] = [
                    {"guard": guard, "zh": zh, "en": en, "source": source, "detail": detail}
                    for guard, (zh, en, source), detail in _reasons(error)
                ]
            self._write(self._err, json.dumps({"error": found}, ensure_ascii=False))
            return
        self._write(self._err, self.paint("bad", "fzalert: ", to=self._err) + text)
        if isinstance(error, GuardsUnmet):
            for guard, (zh, _, source), detail in _reasons(error):
                exactly = f" [{detail}]" if detail else ""
                self._write(self._err, f"  ✗ {guard}  {zh}{exactly} ({source})")
        if error.hint:
            self._write(self._err, f"下一步 Next: {error.hint.strip()}")
        self._write(self._err, f"[{error.code}] exit {int(code)}")

    def ask(self, question: str, or_type: str = "") -> bool:
        """Ask a person yes or no; standard input must be a terminal.

        Args:
            question: What is asked.
            or_type: What says yes too, such as a number that the person has read.
        """
        self._err.write(f"{question} [y{f'/{or_type}' if or_type else ''}/N] ")
        self._err.flush()
        said = sys.stdin.readline().strip().lower().replace(",", "")
        return said in {"y", "yes", "是"} or bool(or_type and said == or_type)

    def paint(self, tone: str, text: str, *, to: TextIO | None = None) -> str:
        """Colour a text, where a person reads it on a terminal and has not asked for none."""
        stream = to or self._out
        if os.environ.get("NO_COLOR") or not stream.isatty() or os.environ.get("TERM") == "dumb":
            return text
        return f"\x1b[{_COLOURS[tone]}m{text}\x1b[0m"

    @staticmethod
    def _write(stream: TextIO, text: str) -> None:
        stream.write(text + "\n")
        stream.flush()


def _reasons(error: GuardsUnmet) -> Iterable[tuple[str, tuple[str, str, str], str]]:
    return zip(error.guards, error.reasons, error.details, strict=True)


def to_json(value: object) -> str:
    """Write a model, a dataclass or a plain value as JSON on one line."""
    from pydantic import BaseModel, TypeAdapter

    if isinstance(value, BaseModel):
        return value.model_dump_json()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        adapter: TypeAdapter[Any] = TypeAdapter(type(value))
        return adapter.dump_json(value).decode()
    return json.dumps(value, ensure_ascii=False)


def width(text: str) -> int:
    """Count the columns of a terminal that a text takes."""
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) > 0 for char in text)


def _join(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell + " " * (room - width(cell)) for cell, room in zip(cells, widths, strict=True))
    return "  ".join(padded).rstrip()
