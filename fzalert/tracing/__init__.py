"""Traces, where somebody wants them: a span for a warning, a batch, a tick; never for a message.

Without a collector the tracer is `NOTHING`, which does nothing and costs nothing. With one, spans
carry names of ours and numbers only: `ATTRIBUTES` is closed, so no address, text or value can get
into a trace.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Final, Protocol

from typing_extensions import override

from fzalert.errors import ConfigError

__all__ = ["ATTRIBUTES", "NOTHING", "Attributes", "Span", "Tracer", "open_tracer"]

Attributes = Mapping[str, str | int | float | bool]

ATTRIBUTES: Final = frozenset(
    {
        "fz.channel",
        "fz.slot",
        "fz.lane",
        "fz.script",
        "fz.drill",
        "fz.targets",
        "fz.messages",
        "fz.parts",
        "fz.settled",
        "fz.results",
        "fz.reports",
        "fz.wanted",
        "fz.claimed",
        "fz.existing",
        "error.type",
    }
)
"""What a span may say: names from the configuration and the library, and counts."""


class Span(Protocol):
    """One span that is open."""

    def set(self, attributes: Attributes) -> None:
        """Say more; what `ATTRIBUTES` does not have is left out."""
        ...


class Tracer(Protocol):
    """Opens spans; a span that is opened inside another one is its child."""

    def span(self, name: str, attributes: Attributes) -> AbstractContextManager[Span]:
        """Open a span for the length of a block; an exception marks it and goes on."""
        ...

    def remote(self, traceparent: str) -> AbstractContextManager[None]:
        """Let spans of the block be children of another program's.

        Source: W3C Trace Context, 3.2 (`traceparent`); what is none is ignored, as 4.3 says.
        """
        ...

    def close(self) -> None:
        """Send what was not sent yet; may block for a few seconds."""
        ...


class _Nothing(Tracer, Span, AbstractContextManager["_Nothing"]):
    """One object for everything: nothing is made, nothing is kept."""

    __slots__ = ()

    @override
    def span(self, name: str, attributes: Attributes) -> AbstractContextManager[Span]:
        return self

    @override
    def remote(self, traceparent: str) -> AbstractContextManager[None]:
        return _NOBODY

    @override
    def set(self, attributes: Attributes) -> None:
        return None

    @override
    def close(self) -> None:
        return None

    @override
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None


class _Nobody(AbstractContextManager[None]):
    __slots__ = ()

    @override
    def __enter__(self) -> None:
        return None

    @override
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None


_NOBODY = _Nobody()
NOTHING: Final[Tracer] = _Nothing()
"""The tracer where no collector is configured."""


def open_tracer(endpoint: str, sample: float) -> Tracer:
    """Give the tracer that sends to a collector, or `NOTHING` where there is none.

    Args:
        endpoint: Address for OTLP over HTTP; empty for none.
        sample: Share of the traces that begin here and are sent, 0 to 1.

    Raises:
        ConfigError: A collector is configured, and the extra `otel` is not installed.
    """
    if not endpoint:
        return NOTHING
    try:
        from fzalert.tracing.otel import collected
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"[telemetry] endpoint needs the package {error.name!r}, which is not installed.",
            hint="Install it: pip install 'fzalert[otel]', or leave the endpoint out.",
        ) from error
    return collected(endpoint, sample)
