"""Tracing where nobody wants it costs nothing, and where somebody does it says only what it may."""

import subprocess
import sys

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from fzalert.errors import ConfigError
from fzalert.tracing import NOTHING, open_tracer
from fzalert.tracing.otel import OtelTracer

HERE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
UNKEPT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"


@pytest.fixture
def kept() -> InMemorySpanExporter:
    return InMemorySpanExporter()


def tracer(kept: InMemorySpanExporter, sample: float = 1.0) -> OtelTracer:
    return OtelTracer(SimpleSpanProcessor(kept), sample)


def test_without_a_collector_nothing_is_made() -> None:
    assert open_tracer("", 1.0) is NOTHING
    first, second = NOTHING.span("warn", {}), NOTHING.span("tick", {"fz.parts": 1})
    assert first is second
    with first as span, NOTHING.remote(HERE):
        span.set({"fz.parts": 2})
    with pytest.raises(ValueError, match="through"), NOTHING.span("warn", {}):
        raise ValueError("through")
    NOTHING.close()


def test_importing_fzalert_and_its_tracing_loads_no_opentelemetry() -> None:
    code = (
        "import sys, fzalert, fzalert.tracing, fzalert.service, fzalert.delivery;"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_without_the_package_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "fzalert.tracing.otel")
    for name in list(sys.modules):
        if name.startswith("opentelemetry"):
            monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError) as caught:
        open_tracer("http://127.0.0.1:4318", 1.0)
    assert "fzalert[otel]" in caught.value.hint


def test_a_span_inside_another_is_its_child_and_says_only_what_it_may(
    kept: InMemorySpanExporter,
) -> None:
    traced = tracer(kept)
    with traced.span("warn", {"fz.targets": 2, "phone": "13800138000"}) as span:
        span.set({"fz.existing": False, "text": "personal"})
        with traced.span("commit", {}):
            pass
    inner, outer = kept.get_finished_spans()
    assert inner.parent is not None
    assert outer.context is not None
    assert inner.parent.span_id == outer.context.span_id
    assert dict(outer.attributes or {}) == {"fz.targets": 2, "fz.existing": False}
    assert outer.status.status_code is StatusCode.UNSET


def test_an_exception_is_named_by_its_type_and_never_by_its_text(
    kept: InMemorySpanExporter,
) -> None:
    with pytest.raises(ValueError, match="1380"), tracer(kept).span("warn", {}):
        raise ValueError("13800138000")
    (span,) = kept.get_finished_spans()
    assert dict(span.attributes or {}) == {"error.type": "ValueError"}
    assert span.status.status_code is StatusCode.ERROR
    assert not span.events
    assert "1380" not in span.to_json()


@pytest.mark.parametrize(
    ("sample", "parent", "number"),
    [(1.0, HERE, 1), (0.0, HERE, 1), (1.0, UNKEPT, 0), (0.0, "nonsense", 0), (1.0, "nonsense", 1)],
)
def test_the_callers_choice_stands_and_ours_holds_where_it_made_none(
    kept: InMemorySpanExporter, sample: float, parent: str, number: int
) -> None:
    traced = tracer(kept, sample)
    with traced.remote(parent), traced.span("warn", {}):
        pass
    assert len(kept.get_finished_spans()) == number
