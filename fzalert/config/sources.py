"""What the configuration is read from: the file, `conf.d/*.toml` beside it, the environment.

All of it becomes one document. Tables are merged by name, and what is read later wins; arrays of
tables, such as `[[channel]]`, are joined. The environment is read last: `FZ_WEB__PORT=9000` is
`port` of `[web]`, `FZ_CHANNEL__CMPP_1__HOST` is `host` of the channel `cmpp-1`. Each key remembers
where it stands, so that a fault names its own file and line.
"""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from typing_extensions import override

from fzalert.config.lines import Loc, index_lines
from fzalert.errors import ConfigError

__all__ = ["Document", "Place", "Source", "Sources"]

FOLDER = "conf.d"
PREFIX = "FZ_"
BETWEEN = "__"
LARGEST = 1_048_576


class Place(NamedTuple):
    """Where a key stands.

    Attributes:
        rank: Number of its source, in the order of reading.
        name: The file's name, or the variable's.
        line: Its line, from 1; 0 for a variable.
    """

    rank: int
    name: str
    line: int

    @override
    def __str__(self) -> str:
        return f"{self.name}:{self.line}" if self.line else self.name


class Source(NamedTuple):
    """One file.

    Attributes:
        name: As people are told: `fzalert.toml`, `conf.d/channels.toml`.
        text: What it says, lines ended by a newline alone.
    """

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """Every source as one.

    Attributes:
        tables: The settings, not validated.
        places: Where each key stands.
    """

    tables: dict[str, Any] = field(default_factory=dict)
    places: dict[Loc, Place] = field(default_factory=dict)


class Sources:
    """The files and variables of one configuration, read and not yet understood.

    Args:
        files: The files, in their order.
        variables: Names and values of the environment that are settings.
    """

    def __init__(self, files: tuple[Source, ...], variables: Mapping[str, str]) -> None:
        self.files = files
        self.variables = {
            name: value
            for name, value in sorted(variables.items())
            if name.startswith(PREFIX) and BETWEEN in name.removeprefix(PREFIX)
        }

    @classmethod
    def read(cls, path: Path) -> Sources:
        """Read the file at `path`, what lies in `conf.d` beside it, and the environment.

        Raises:
            ConfigError: One of the files cannot be read.
        """
        more = sorted((path.parent / FOLDER).glob("*.toml"))
        files = [Source(path.name, _read(path))]
        files += [Source(f"{FOLDER}/{each.name}", _read(each)) for each in more]
        return cls(tuple(files), os.environ)

    @property
    def digest(self) -> str:
        """SHA-256 of all of it, hex: of the file's text alone where there is nothing else."""
        found = hashlib.sha256(self.files[0].text.encode())
        for name, text in (*self.files[1:], *self.variables.items()):
            found.update(f"\0{name}\0{text}".encode("utf-8", "surrogatepass"))
        return found.hexdigest()

    def document(self) -> Document:
        """Understand the syntax and put all of it together.

        Raises:
            ConfigError: A file is no TOML; the text names file and line.
        """
        whole = Document()
        for rank, source in enumerate(self.files):
            _add_file(whole, rank, source)
        for rank, (name, value) in enumerate(self.variables.items(), start=len(self.files)):
            _add_variable(whole, rank, name, value)
        return whole


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise ConfigError(
            f"There is no file {path}.",
            hint="Write one with `fzalert init`, or name it with --config or FZALERT_CONFIG.",
        ) from None
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}.", hint="Check its owner and mode."
        ) from None
    if len(data) > LARGEST:
        raise ConfigError(f"{path.name} is larger than 1 MiB.", hint="Is it the right file?")
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{path.name}:{line}: this is not UTF-8 text.", hint="Save the file as UTF-8."
        ) from None


def _add_file(whole: Document, rank: int, source: Source) -> None:
    try:
        tables = tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"{source.name}:{_syntax_line(error, source.text)}: {error} TOML 语法错误",
            hint="Texts stand in quotes, tables in [brackets].",
        ) from None
    before = {key: len(value) for key, value in whole.tables.items() if isinstance(value, list)}
    _merge(whole.tables, tables)
    for loc, line in index_lines(source.text).items():
        if len(loc) > 1 and isinstance(loc[1], int) and loc[0] in before:
            loc = (loc[0], loc[1] + before[str(loc[0])], *loc[2:])  # noqa: PLW2901  moved on
        whole.places[loc] = Place(rank, source.name, line)


def _merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        before = into.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            _merge(before, value)
        elif isinstance(before, list) and isinstance(value, list) and _are_tables(before, value):
            into[key] = [*before, *value]
        else:
            into[key] = value


def _are_tables(*arrays: list[Any]) -> bool:
    return all(array and all(isinstance(each, dict) for each in array) for array in arrays)


def _add_variable(whole: Document, rank: int, name: str, text: str) -> None:
    words = name.removeprefix(PREFIX).lower().split(BETWEEN)
    steps: list[str | int] = [word for word in words]
    tables = whole.tables.get("channel")
    if steps[0] == "channel" and isinstance(tables, list):
        number = _numbered(tables, str(steps[1]))
        if number is None:
            raise ConfigError(f"{name}: there is no channel {steps[1]} 没有这个通道")
        steps[1] = number
    node: Any = whole.tables
    for step in steps[:-1]:
        node = node[step] if isinstance(step, int) else node.setdefault(step, {})
        if not isinstance(node, dict | list):
            raise ConfigError(f"{name}: {step} is no table 不是一个表")
    node[steps[-1]] = _value(name, text)
    whole.places[tuple(steps)] = Place(rank, name, 0)
    for length in range(1, len(steps)):
        whole.places.setdefault(tuple(steps[:length]), Place(rank, name, 0))


def _numbered(tables: list[Any], word: str) -> int | None:
    """Find a channel by its name as a variable can write it."""
    for number, table in enumerate(tables):
        name = table.get("name") if isinstance(table, dict) else None
        if isinstance(name, str) and name.lower().replace("-", "_") == word:
            return number
    return None


def _value(name: str, text: str) -> Any:
    """Take a text as it is; what begins as a quoted text, an array or a table is TOML."""
    if text[:1] not in {"[", "{", '"', "'"}:
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        raise ConfigError(f"{name}: its value is no TOML 不是 TOML 的值") from None


def _syntax_line(error: tomllib.TOMLDecodeError, text: str) -> int:
    """Read the line out of "… (at line 2, column 4)"; at the end of the document, the last."""
    _, found, rest = str(error).rpartition("(at line ")
    number = rest.partition(",")[0]
    return int(number) if found and number.isdigit() else text.count("\n") + 1
