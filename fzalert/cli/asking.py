"""Asking a person before something leaves the house."""

from __future__ import annotations

import sys

from fzalert.cli.output import Output
from fzalert.errors import AccessDenied, InputError

__all__ = ["NotConfirmed", "confirm"]


class NotConfirmed(AccessDenied):
    """A person was asked and did not say yes; nothing was sent."""

    code = "not-confirmed"


def confirm(output: Output, question: str, number: int | None = None) -> None:
    """Go on only after a yes.

    Args:
        output: Where it is asked.
        question: What is asked.
        number: How many people it goes to; whoever types that number has said yes too.

    Raises:
        InputError: Nobody can be asked; `--yes` is for programs.
        NotConfirmed: The answer was no.
    """
    if output.as_json or not sys.stdin.isatty():
        raise InputError(
            "Nobody can be asked here, and --yes was not given.",
            hint="Look at it with --dry-run, or campaign preview, then give --yes or --confirm.",
            field="yes",
        )
    if not output.ask(question, "" if number is None else str(number)):
        raise NotConfirmed("没有发送。 Nothing was sent.")
