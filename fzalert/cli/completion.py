"""`fzalert completion`: what a shell needs to complete commands and options by itself."""

from __future__ import annotations

import sys
from typing import Literal

from fzalert.cli.session import current
from fzalert.registry import Registry

__all__ = ["completion"]


def completion(shell: Literal["bash", "zsh", "fish"]) -> None:
    """Write the completion script of a shell to standard output.

    Args:
        shell: Which shell; docs/cli.md says where its file belongs.
    """
    from fzalert.cli.app import build

    registry = Registry.installed()
    words = ["simulate", *registry.command_names, *registry.simulator_names]
    script = build(words, registry).generate_completion(shell=shell)
    if current().output.as_json:
        current().output.data({"shell": shell, "script": script})
        return
    sys.stdout.write(script.rstrip("\n") + "\n")
