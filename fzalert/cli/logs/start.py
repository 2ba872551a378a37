"""Sends structlog, the standard library's log, warnings and stray errors to one place."""

from __future__ import annotations

import atexit
import logging
import sys
import threading
from collections.abc import Callable, Collection
from typing import Any

import structlog
from structlog.typing import Processor
from typing_extensions import override

from fzalert.cli.logs.redaction import Redaction
from fzalert.cli.logs.sinks import FileSink, Queue, Sink, StreamSink
from fzalert.config import LogSettings
from fzalert.errors import ConfigError

__all__ = ["RunningLog", "start_logging"]

# httpx writes whole addresses, keys included; the others say of each connection what we say better.
NOISY = ("httpx", "httpcore", "hpack", "uvicorn", "asyncio", "aiosmtplib", "PIL")
# Some readers of logs break a line at these as well. JSON escapes the rest of them by itself.
_LINE_ENDS = str.maketrans({"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"})
# On a terminal a control character could move the cursor or forge a line.
_CONTROLS = {
    code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if code != 0x09
} | {0x2028: "\\u2028", 0x2029: "\\u2029"}
_CONTROLS_IN_TRACE = {code: text for code, text in _CONTROLS.items() if code != 0x0A}

_log = structlog.get_logger("fzalert.log")
_running: RunningLog | None = None


class RunningLog:
    """The log of this process, until `stop`."""

    def __init__(self, handler: _Handler, undo: Callable[[], None]) -> None:
        self._handler = handler
        self._undo = undo

    @property
    def dropped(self) -> int:
        """Lines that were lost since the start."""
        return self._handler.dropped

    def stop(self) -> None:
        """Write what waits and let go."""
        global _running  # noqa: PLW0603  a process has one log, as it has one root logger
        if _running is self:
            _running = None
        self._undo()
        structlog.reset_defaults()
        logging.getLogger().removeHandler(self._handler)
        self._handler.close()
        atexit.unregister(self.stop)


def start_logging(
    settings: LogSettings, *, hide: Collection[str] = (), service: bool = False
) -> RunningLog:
    """Start the log of this process; one that runs already is stopped.

    Args:
        settings: How much, how, and where to.
        hide: Secrets that this process holds; they are hidden wherever they stand.
        service: For a process that serves: lines go through a queue, so that neither a full pipe
            nor a slow disk holds it up, and warnings and errors of threads are logged too.

    Raises:
        ConfigError: The log file cannot be opened.
    """
    global _running  # noqa: PLW0603  a process has one log, as it has one root logger
    sink = _sink(settings)
    if _running is not None:
        _running.stop()
    as_json = settings.format == "json"
    redaction = Redaction(hide)
    shared = _shared(redaction, as_json=as_json)
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_last(as_json)],
    )
    handler = _Handler(sink, formatter, queued=service)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.level.upper())
    for noisy in NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        # A cached logger would outlive this log: what stops must let go of everything.
        cache_logger_on_first_use=False,
    )
    _running = RunningLog(handler, _catch_strays() if service else _nothing)
    atexit.register(_running.stop)
    return _running


def _sink(settings: LogSettings) -> Sink:
    if settings.file is None:
        return StreamSink(sys.stderr)
    try:
        return FileSink(settings.file)
    except OSError as error:
        raise ConfigError(
            f"The log file {settings.file} cannot be opened: {error.strerror}.",
            hint="Check [log] file.",
        ) from error


def _shared(redaction: Redaction, *, as_json: bool) -> list[Processor]:
    """What every event goes through, whoever logged it."""
    trace: Processor = structlog.processors.format_exc_info
    if as_json:
        without_locals = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        trace = structlog.processors.ExceptionRenderer(without_locals)
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        trace,
        redaction,
    ]


def _last(as_json: bool) -> list[Processor]:
    if as_json:
        return [structlog.processors.JSONRenderer(ensure_ascii=False), _one_line]
    text = structlog.dev.ConsoleRenderer(
        colors=False, exception_formatter=structlog.dev.plain_traceback
    )
    return [_without_controls, text]


def _one_line(logger: Any, method: str, text: Any) -> str:
    del logger, method
    return str(text).translate(_LINE_ENDS)


def _without_controls(logger: Any, method: str, event: Any) -> Any:
    del logger, method
    for key, value in event.items():
        if isinstance(value, str):
            keeps_lines = key in {"exception", "stack"}
            event[key] = value.translate(_CONTROLS_IN_TRACE if keeps_lines else _CONTROLS)
    return event


class _Handler(logging.Handler):
    """Formats where it is called, and hands the line to a sink."""

    def __init__(self, sink: Sink, formatter: logging.Formatter, *, queued: bool) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self._lost = 0
        self._queue = Queue(sink, self._notice) if queued else None
        self._sink: Sink = self._queue or sink

    @property
    def dropped(self) -> int:
        return self._lost + (self._queue.dropped if self._queue else 0)

    def _notice(self, number: int) -> bytes:
        record = logging.LogRecord(
            "fzalert.log", logging.WARNING, "", 0, f"log.dropped {number}", None, None
        )
        return self._line(record)

    def _line(self, record: logging.LogRecord) -> bytes:
        return (self.format(record) + "\n").encode("utf-8", "backslashreplace")

    @override
    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._sink.write(self._line(record))
        except Exception:  # noqa: BLE001  whatever was logged, the caller goes on
            self.handleError(record)

    @override
    def handleError(self, record: logging.LogRecord) -> None:
        """Count it; the standard library would print the arguments in clear."""
        self._lost += 1

    @override
    def close(self) -> None:
        super().close()
        self._sink.close()


def _nothing() -> None:
    """There is nothing to undo."""


def _catch_strays() -> Callable[[], None]:
    """Log what would go to standard error past the log; returns what undoes it."""
    unraisable, thread = sys.unraisablehook, threading.excepthook

    def stray(what: Any) -> None:
        _log.error("process.stray_error", exc_info=what.exc_value or what.exc_type)

    def of_thread(what: threading.ExceptHookArgs) -> None:
        name = what.thread.name if what.thread else ""
        _log.error("process.thread_died", thread=name, exc_info=what.exc_value)

    sys.unraisablehook, threading.excepthook = stray, of_thread
    logging.captureWarnings(True)

    def undo() -> None:
        sys.unraisablehook, threading.excepthook = unraisable, thread
        logging.captureWarnings(False)

    return undo
