"""`fzalert top`: the status page for a terminal."""

from fzalert.cli.top.command import top

__all__ = ["top"]
