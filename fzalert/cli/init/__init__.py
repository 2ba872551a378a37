"""`fzalert init`: five questions, and a configuration that runs."""

from fzalert.cli.init.command import init

__all__ = ["init"]
