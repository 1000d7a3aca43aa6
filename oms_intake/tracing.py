"""A span for every call, in the client's trace. Off unless the standard OTEL_* variables ask for it.

OTEL_TRACES_EXPORTER=otlp or an OTEL_EXPORTER_OTLP_ENDPOINT turns it on, OTEL_SDK_DISABLED off; the OpenTelemetry SDK
reads the rest (endpoint, headers, sampler, service name) by itself. What is stored with a request as its
``traceparent`` is then this span, so that the job's spans and the final event carry the trace on from here.
opentelemetry-instrumentation-flask would replace the two hooks below, at the price of four more packages in beta.
"""

from __future__ import annotations

from flask import Flask, Response, g, request
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from oms_intake.settings import IntakeSettings


def trace_calls(app: Flask, settings: IntakeSettings) -> None:
    """Make spans for the app's calls, if the settings ask for it. Starts a thread that sends them."""
    if not settings.traces_wanted:
        return
    provider = TracerProvider(resource=_resource())
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    tracer = provider.get_tracer("oms_intake")
    propagator = TraceContextTextMapPropagator()
    app.extensions["oms_traces"] = provider

    @app.before_request
    def begin() -> None:
        client = propagator.extract({name.lower(): value for name, value in request.headers.items()})
        g.span = tracer.start_span(request.method, context=client, kind=SpanKind.SERVER)

    @app.after_request
    def end(answer: Response) -> Response:
        if request.url_rule:
            g.span.update_name(f"{request.method} {request.url_rule.rule}")
            g.span.set_attribute("http.route", request.url_rule.rule)
        g.span.set_attribute("http.request.method", request.method)
        g.span.set_attribute("http.response.status_code", answer.status_code)
        if "request_id" in g:
            g.span.set_attribute("oms.request_id", g.request_id)
        g.span.end()
        return answer


def _resource() -> Resource:
    """The resource by the OTEL_* variables; our service name if they name none."""
    said = Resource.create()
    is_named = not str(said.attributes.get(SERVICE_NAME, "unknown_service")).startswith("unknown_service")
    return said if is_named else said.merge(Resource({SERVICE_NAME: "oms-intake"}))


def own_trace_parent() -> str | None:
    """The ``traceparent`` of this call's span; None if no span is made or sampled."""
    span = g.get("span")
    if span is None or not span.is_recording():
        return None
    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier, set_span_in_context(span))
    return carrier.get("traceparent")
