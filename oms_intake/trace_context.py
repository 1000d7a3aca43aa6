"""The client's trace, by W3C Trace Context (https://www.w3.org/TR/trace-context/)."""

from __future__ import annotations

from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_propagator = TraceContextTextMapPropagator()


def trace_parent(header: str) -> str | None:
    """The call's ``traceparent``; None if it is missing or invalid: the standard says to ignore an invalid one."""
    if not header:
        return None
    carrier: dict[str, str] = {}
    _propagator.inject(carrier, _propagator.extract({"traceparent": header}))
    return carrier.get("traceparent")
