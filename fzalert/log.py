"""Loggers of the library: heard where the program listens, silent where it does not.

structlog that nobody configured prints on standard output, which belongs to the caller's program.
So until structlog is configured (by `fzalert run`, or by the program itself) an event goes to the
standard library's logger of the same name, below `fzalert`, which has no handler of its own.
"""

from __future__ import annotations

import logging

import structlog

__all__ = ["Log", "get_logger"]

logging.getLogger("fzalert").addHandler(logging.NullHandler())


class Log:
    """Logs events: a fixed dotted name, and values as keywords."""

    def __init__(self, name: str) -> None:
        self._structured = structlog.get_logger(name)
        self._plain: structlog.stdlib.BoundLogger = structlog.wrap_logger(
            logging.getLogger(name),
            processors=[
                structlog.stdlib.filter_by_level,
                structlog.stdlib.render_to_log_kwargs,
            ],
            wrapper_class=structlog.stdlib.BoundLogger,
        )

    @property
    def _log(self) -> structlog.stdlib.BoundLogger:
        logger: structlog.stdlib.BoundLogger = (
            self._structured if structlog.is_configured() else self._plain
        )
        return logger

    def debug(self, event: str, **values: object) -> None:
        """Something for whoever looks for a fault."""
        self._log.debug(event, **values)

    def info(self, event: str, **values: object) -> None:
        """Something that happened, as it should."""
        self._log.info(event, **values)

    def warning(self, event: str, **values: object) -> None:
        """Something that a person may have to see to."""
        self._log.warning(event, **values)

    def error(self, event: str, **values: object) -> None:
        """Something that a person has to see to."""
        self._log.error(event, **values)

    def exception(self, event: str, **values: object) -> None:
        """An error, with the exception that is being handled."""
        self._log.error(event, exc_info=True, **values)


def get_logger(name: str) -> Log:
    """Give the logger of one subject.

    Args:
        name: Dotted, such as `fzalert.delivery`.
    """
    return Log(name)
