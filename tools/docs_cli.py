"""The reference of every command and option, from the program's own signatures and docstrings."""

from __future__ import annotations

import enum
import functools
import inspect
import typing
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from types import NoneType, UnionType
from typing import Any

from cyclopts import App

from fzalert.cli.app import build
from fzalert.registry import Registry
from tools.docs_settings import Rows, code, table

__all__ = ["commands", "options", "reference"]

COMMON = frozenset({"--config", "--json", "--help", "-h", "--version"})
TYPES = {
    str: "text",
    int: "whole number",
    float: "number",
    Decimal: "amount",
    datetime: "time with zone",
    Path: "path",
    bool: "–",
}


@functools.cache
def commands() -> dict[str, App]:
    """Every command as it is typed, those of adapters and simulators among them."""
    installed = Registry.installed()
    groups = (*installed.command_names, *installed.simulator_names)
    found: dict[str, App] = {}

    def walk(app: App, path: tuple[str, ...]) -> None:
        below = [name for name in app if not name.startswith("-")]
        for name in below:
            walk(app[name], (*path, name))
        if not below and path:
            found[" ".join(path)] = app

    walk(build(["simulate", *groups]), ())
    return found


@functools.cache
def options(command: str) -> frozenset[str]:
    """Every option that a command takes."""
    return COMMON.union(*(one.names for one in arguments(commands()[command])))


def arguments(app: App) -> list[Any]:
    """What a command takes, in its order."""
    return [one for one in app.assemble_argument_collection(parse_docstring=True) if one.show]


def reference() -> str:
    """Write every command with its arguments and options."""
    return "\n\n".join(part for name, app in commands().items() for part in of(name, app))


def of(name: str, app: App) -> Iterator[str]:
    """Write one command."""
    yield f"### fzalert {name}"
    yield said(app)
    taken = arguments(app)
    places = [place(one) for one in taken if is_positional(one)]
    if places:
        yield f"`fzalert {name} {' '.join(places)}`"
    if taken:
        yield table(("option", "value", "default", "what it is"), rows(taken))


def said(app: App) -> str:
    """What the command does, as its help says."""
    text = str(app.help or "")
    function = app.default_command
    if not text and function is not None:
        text = inspect.getdoc(function) or ""
    return " ".join(text.partition("\n\n")[0].split())


def rows(taken: list[Any]) -> Rows:
    """One row an argument or option."""
    for one in taken:
        names = place(one) if is_positional(one) else ", ".join(one.names)
        default = one.field_info.default
        shown = "required" if one.required else code(default_of(default))
        yield code(names), kind_of(one.hint), shown, " ".join(str(one.parameter.help or "").split())


def default_of(value: object) -> object:
    """A default as it would be typed."""
    if value is None or value is inspect.Parameter.empty or value is False or value == ():
        return ""
    return value.value if isinstance(value, enum.Enum) else value


def is_positional(one: Any) -> bool:
    """Whether it can be given without its name."""
    kinds = inspect.Parameter
    return one.field_info.kind in {kinds.POSITIONAL_OR_KEYWORD, kinds.VAR_POSITIONAL}


def place(one: Any) -> str:
    """A positional argument as usage lines write it."""
    name = str(one.names[0]).lstrip("-").upper()
    if one.field_info.kind is inspect.Parameter.VAR_POSITIONAL:
        return f"{name}…"
    return name if one.required else f"[{name}]"


def kind_of(hint: Any) -> str:
    """A type in words."""
    if hint in TYPES:
        return TYPES[hint]
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return kind_of(inside[0])
    if origin is typing.Literal:
        return ", ".join(code(value) for value in inside)
    if origin in {typing.Union, UnionType}:
        return kind_of(next(one for one in inside if one is not NoneType))
    if origin in {list, tuple}:
        return f"{kind_of(inside[0])}, several times"
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return ", ".join(code(one.value) for one in hint)
    raise TypeError(f"{hint} has no words yet: add them to TYPES in {__file__}")
