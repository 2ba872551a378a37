"""Spans by OpenTelemetry, sent in batches by a thread of their own; only `open_tracer` loads this.

Nothing global is set: a program that imports fzalert keeps its own provider and propagators.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib import metadata
from urllib.parse import urlsplit

from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from typing_extensions import override

from fzalert.tracing import ATTRIBUTES, Attributes, Span, Tracer

__all__ = ["OtelTracer", "collected"]

SEND_WITHIN = 5.0
PATH = "/v1/traces"


class OtelTracer(Tracer):
    """Opens OpenTelemetry's spans.

    Args:
        processor: Takes the spans that ended.
        sample: Share of the traces that begin here and are kept; another program's choice stands.
    """

    def __init__(self, processor: SpanProcessor, sample: float = 1.0) -> None:
        version = metadata.version("fzalert")
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(sample)),
            resource=Resource.create({"service.name": "fzalert", "service.version": version}),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("fzalert", version)
        self._propagator = TraceContextTextMapPropagator()

    @override
    def span(self, name: str, attributes: Attributes) -> AbstractContextManager[Span]:
        return self._span(name, attributes)

    @contextmanager
    def _span(self, name: str, attributes: Attributes) -> Iterator[Span]:
        with self._tracer.start_as_current_span(
            name,
            attributes=_allowed(attributes),
            record_exception=False,  # its text may hold anything
            set_status_on_exception=False,
        ) as span:
            try:
                yield _Span(span)
            except BaseException as error:
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(trace.StatusCode.ERROR)
                raise

    @override
    def remote(self, traceparent: str) -> AbstractContextManager[None]:
        return self._remote(traceparent)

    @contextmanager
    def _remote(self, traceparent: str) -> Iterator[None]:
        token = context.attach(self._propagator.extract({"traceparent": traceparent}))
        try:
            yield
        finally:
            context.detach(token)

    @override
    def close(self) -> None:
        self._provider.shutdown()


class _Span(Span):
    __slots__ = ("_span",)

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    @override
    def set(self, attributes: Attributes) -> None:
        self._span.set_attributes(_allowed(attributes))


def _allowed(attributes: Attributes) -> dict[str, str | int | float | bool]:
    return {name: value for name, value in attributes.items() if name in ATTRIBUTES}


def collected(endpoint: str, sample: float) -> OtelTracer:
    """Give a tracer whose spans go to a collector by OTLP over HTTP.

    Args:
        endpoint: Its address; `/v1/traces` is added where it has no path.
        sample: See `OtelTracer`.
    """
    if urlsplit(endpoint).path in {"", "/"}:
        endpoint = endpoint.rstrip("/") + PATH
    exporter = OTLPSpanExporter(endpoint=endpoint, timeout=SEND_WITHIN)
    return OtelTracer(BatchSpanProcessor(exporter), sample)
