"""The client's trace, taken over as W3C Trace Context has it (https://www.w3.org/TR/trace-context/)."""

from __future__ import annotations

from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_propagator = TraceContextTextMapPropagator()


def trace_parent(header: str) -> str | None:
    """The call's ``traceparent``; None where there is none or a bad one, which the standard says to ignore."""
    if not header:
        return None
    carrier: dict[str, str] = {}
    _propagator.inject(carrier, _propagator.extract({"traceparent": header}))
    return carrier.get("traceparent")
