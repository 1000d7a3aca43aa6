"""The trace that a client's POST began goes on in the job that submits its document."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from include.oms.base import traces
from include.oms.testing.system import Oms

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


async def test_the_submit_is_a_span_of_the_clients_trace(oms: Oms, monkeypatch: pytest.MonkeyPatch) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(traces.trace, "get_tracer_provider", lambda: provider)
    monkeypatch.setattr(traces, "_tracer", provider.get_tracer("test"))
    (request_id,) = await oms.queued(traceparent=f"00-{TRACE}-00f067aa0ba902b7-01")

    await oms.run_processing()

    (span,) = exporter.get_finished_spans()
    assert f"{span.context.trace_id:032x}" == TRACE
    assert dict(span.attributes or {}) == {"oms.request_id": request_id}
    provider.shutdown()
