"""Commands that adapters bring: typed functions, printed here."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cyclopts import App
from pydantic import BaseModel

from fzalert.cli.session import current
from fzalert.ports import CommandGroup

__all__ = ["add_group"]


def add_group(app: App, group: CommandGroup, name: str) -> None:
    """Put the commands of a group under its name, or into the group of that name.

    A group that is one command of its own name is that command.
    """
    under = app
    alone = len(group.commands) == 1 and group.commands[0].name == name
    if app.name != (name,) and not alone:
        under = App(name=name, help=group.help, help_epilogue="")
        app.command(under)
    for command in group.commands:
        under.command(_printing(command.run), name=command.name)


def _printing(run: Callable[..., Any]) -> Callable[..., Any]:
    """Give a function the printing of what it returns; its signature and help stay."""
    if inspect.iscoroutinefunction(run):

        @functools.wraps(run)
        async def later(*args: Any, **options: Any) -> int | None:
            return _show(await run(*args, **options))

        return later

    @functools.wraps(run)
    def at_once(*args: Any, **options: Any) -> int | None:
        return _show(run(*args, **options))

    return at_once


def _show(result: object) -> int | None:
    if result is None or isinstance(result, int):
        return result
    output = current().output
    several = result if isinstance(result, list | tuple) else [result]
    output.rows(several)
    for each in several:
        for line in _lines(_fields(each)):
            output.line(line)
    return None


def _lines(fields: Mapping[str, object], indent: str = "") -> Iterator[str]:
    """Write a field a line, what it consists of below it."""
    for name, value in fields.items():
        if isinstance(value, Mapping) and value:
            yield f"{indent}{name}:"
            yield from _lines(value, indent + "  ")
        else:
            yield f"{indent}{name}: {value}"


def _fields(value: object) -> dict[str, object]:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return {"result": value}
