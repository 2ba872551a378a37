"""The log: one JSON object or one line an event, to standard error or a file.

Values are masked where they are made (`Target`, `Secret`); what is here is the net below that.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from fzalert.config import LogSettings
from fzalert.errors import ConfigError
from fzalert.messages import mask_digits

__all__ = ["redact", "start_logging"]

_SECRET_WORDS = ("password", "token", "secret", "authorization", "cookie", "id_card", "master_key")
_EXEMPT = frozenset({"timestamp", "level", "logger", "event"})
# Some readers of logs break a line at these as well.
_LINE_ENDS = str.maketrans({"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def start_logging(settings: LogSettings) -> None:
    """Send structlog and the standard library's log to one place.

    Raises:
        ConfigError: The log file cannot be opened.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.ExceptionRenderer(
            structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        )
        if settings.format == "json"
        else structlog.processors.format_exc_info,
        redact,
    ]
    final: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
        if settings.format == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    handler = _handler(settings)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                final,
                _one_line if settings.format == "json" else _as_text,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.level.upper())
    for noisy in ("httpx", "httpcore", "uvicorn"):  # httpx writes whole addresses, keys included
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _handler(settings: LogSettings) -> logging.Handler:
    if settings.file is None:
        return logging.StreamHandler(sys.stderr)
    try:
        return logging.FileHandler(settings.file, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"The log file {settings.file} cannot be opened: {error.strerror}.",
            hint="Check [log] file.",
        ) from error


def redact(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hide long numbers and everything that is called a secret."""
    del logger, method
    for key, value in event.items():
        if key not in _EXEMPT:
            event[key] = _clean(key, value)
    if isinstance(event.get("event"), str):
        event["event"] = mask_digits(event["event"])
    return event


def _clean(key: str, value: Any) -> Any:
    if any(word in key.lower() for word in _SECRET_WORDS):
        return "…"
    if isinstance(value, str):
        return mask_digits(value)
    if isinstance(value, dict):
        return {name: _clean(str(name), item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean("", item) for item in value]
    return value


def _one_line(logger: Any, method: str, text: Any) -> str:
    del logger, method
    return str(text).translate(_LINE_ENDS)


def _as_text(logger: Any, method: str, text: Any) -> str:
    del logger, method
    return str(text)
