"""The terminal program `fzalert`: one module a command group, each loaded when it is called."""

from fzalert.cli.app import main

__all__ = ["main"]
