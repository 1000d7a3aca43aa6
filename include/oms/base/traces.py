"""Spans of the jobs, as parts of the trace that the client's POST began (W3C ``traceparent``).

OpenTelemetry's API alone: without an SDK set up in the process (Airflow's ``[traces]`` settings, or the standard
OTEL_* variables) no span is made.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from opentelemetry import trace
from opentelemetry.trace import Span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_tracer = trace.get_tracer("oms")
_propagator = TraceContextTextMapPropagator()


def span_of(name: str, *, request_id: int, traceparent: str | None) -> AbstractContextManager[Span]:
    """A span of the request's own trace, or of a new one where its client sent none. It holds ids alone."""
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):  # nobody has set up a real one
        return nullcontext(trace.INVALID_SPAN)
    context = _propagator.extract({"traceparent": traceparent}) if traceparent else None
    return _tracer.start_as_current_span(name, context=context, attributes={"oms.request_id": request_id})
