"""On which line of a TOML text a key stands.

`tomllib` tells lines only for broken syntax, and pydantic only a path of keys. This index walks
the lines of a text that `tomllib` has accepted, so it need not judge syntax: it follows table
headers, keys, and values that run over several lines, and nothing else. A key inside an inline
table or array is found on the line of the key that holds it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

__all__ = ["Loc", "index_lines", "line_of"]

Loc = tuple[str | int, ...]


def index_lines(text: str) -> dict[Loc, int]:
    """Map each table and key of a valid TOML text to its line, counted from 1."""
    index: dict[Loc, int] = {}
    counts: dict[Loc, int] = {}
    table: Loc = ()
    for number, line in _statements(text):
        if line.startswith("[["):
            table = _enter_array(_key_before(line[2:], "]"), counts)
            index.setdefault(table, number)
        elif line.startswith("["):
            table = _resolve(_key_before(line[1:], "]"), counts)
            _add(index, table, number)
        else:
            _add(index, (*table, *_key_before(line, "=")), number)
    return index


def line_of(index: dict[Loc, int], loc: Loc) -> int | None:
    """Find the line of a path; steps that stand on no line of their own are dropped."""
    while loc:
        if loc in index:
            return index[loc]
        loc = loc[:-1]
    return None


def _add(index: dict[Loc, int], loc: Loc, number: int) -> None:
    for length in range(1, len(loc) + 1):
        index.setdefault(loc[:length], number)


def _enter_array(keys: tuple[str, ...], counts: dict[Loc, int]) -> Loc:
    path = (*_resolve(keys[:-1], counts), keys[-1])
    counts[path] = counts.get(path, -1) + 1
    return (*path, counts[path])


def _resolve(keys: tuple[str, ...], counts: dict[Loc, int]) -> Loc:
    """Put the number of the current element behind each key that names an array of tables."""
    path: Loc = ()
    for key in keys:
        path = (*path, key)
        if path in counts:
            path = (*path, counts[path])
    return path


def _key_before(line: str, end: str) -> tuple[str, ...]:
    """Read the dotted, possibly quoted key that ends at `end`, outside of quotes."""
    quote = ""
    skip = False
    for position, char in enumerate(line):
        if skip:
            skip = False
        elif quote:
            skip = quote == '"' and char == "\\"
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char == end:
            return _split(line[:position])
    return ()


def _split(key: str) -> tuple[str, ...]:
    """Let the TOML reader itself take a dotted key apart."""
    node: object = tomllib.loads(f"{key} = 0")
    path: list[str] = []
    while isinstance(node, dict):
        ((name, node),) = node.items()
        path.append(name)
    return tuple(path)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield the number and text of each line that begins a header or a key."""
    scanner = _Scanner()
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.strip(" \t\r")
        begins = not scanner.is_open and bool(line) and not line.startswith("#")
        if begins:
            yield number, line
        if scanner.is_open or (begins and not line.startswith("[")):
            scanner.feed(line)


class _Scanner:
    """Tells whether a value goes on over the end of a line."""

    def __init__(self) -> None:
        self._quote = ""
        self._depth = 0

    @property
    def is_open(self) -> bool:
        return bool(self._quote) or self._depth > 0

    def feed(self, line: str) -> None:
        position = 0
        while position < len(line):
            position = self._inside(line, position) if self._quote else self._plain(line, position)
        if len(self._quote) == 1:  # cannot happen in a valid text; never run on because of it
            self._quote = ""

    def _inside(self, line: str, position: int) -> int:
        if self._quote[0] == '"' and line[position] == "\\":
            return position + 2
        if not line.startswith(self._quote, position):
            return position + 1
        end = position + len(self._quote)
        if len(self._quote) == 3:  # up to two quotes may stand before the closing three
            while line.startswith(self._quote[0], end):
                end += 1
        self._quote = ""
        return end

    def _plain(self, line: str, position: int) -> int:
        char = line[position]
        if char == "#":
            return len(line)
        if char in "\"'":
            self._quote = char * 3 if line.startswith(char * 3, position) else char
            return position + len(self._quote)
        if char in "[{":
            self._depth += 1
        elif char in "]}":
            self._depth -= 1
        return position + 1
