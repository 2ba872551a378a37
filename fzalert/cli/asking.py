"""Asking a person before something leaves the house."""

from __future__ import annotations

import sys

from fzalert.cli.output import Output
from fzalert.errors import AccessDenied, InputError

__all__ = ["NotConfirmed", "confirm"]


class NotConfirmed(AccessDenied):
    """A person was asked and did not say yes; nothing was sent."""

    code = "not-confirmed"


def confirm(output: Output, question: str) -> None:
    """Go on only after a yes.

    Raises:
        InputError: Nobody can be asked; `--yes` is for programs.
        NotConfirmed: The answer was no.
    """
    if output.as_json or not sys.stdin.isatty():
        raise InputError(
            "Nobody can be asked here, and --yes was not given.",
            hint="Look at it with --dry-run, then give --yes.",
            field="yes",
        )
    if not output.ask(question):
        raise NotConfirmed("没有发送。 Nothing was sent.")
