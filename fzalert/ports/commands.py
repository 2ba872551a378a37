"""Commands that an adapter package adds to the terminal program, free of any CLI library."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    Attributes:
        name: As typed.
        run: A typed function, plain or async; its docstring is the help and its parameters are
            the options. It returns a result model (a pydantic model or a dataclass), which the
            terminal prints as a table or, with `--json`, as one object; None prints nothing.
    """

    name: str
    run: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class CommandGroup:
    """A named group of commands; entry points `fzalert.commands`, `fzalert.simulators`."""

    name: str
    help: str
    commands: tuple[Command, ...]
