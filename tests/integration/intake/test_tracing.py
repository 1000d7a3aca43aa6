"""Traces: off by default; on, a span a call in the client's trace, which the request then carries on."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psycopg
import pytest
from flask import Flask
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from oms_intake.settings import IntakeSettings
from tests.integration.intake.conftest import a_request

PATH = "/v1/document-requests"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CLIENTS_SPAN = "00f067aa0ba902b7"


@pytest.fixture
def collector() -> Iterator[tuple[str, list[Any]]]:
    """An OTLP collector: its URL, and the spans that came."""
    spans: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
            spans.extend(
                span for resource in sent.resource_spans for scope in resource.scope_spans for span in scope.spans
            )
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", spans
    server.shutdown()
    thread.join()
    server.server_close()


def post(intake: Flask, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}", "traceparent": f"00-{TRACE}-{CLIENTS_SPAN}-01"}
    answer = intake.test_client().post(PATH, json=a_request(), headers=headers)
    request_id: int = answer.json["request_id"]
    return request_id


def test_a_span_in_the_clients_trace(
    make_intake: Callable[..., Flask],
    intake_settings: IntakeSettings,
    collector: tuple[str, list[Any]],
    token: Callable[..., str],
    db: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url, spans = collector
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    intake = make_intake(IntakeSettings(**intake_settings.model_dump(exclude_unset=True)))
    request_id = post(intake, token())
    intake.extensions["oms_traces"].shutdown()
    (span,) = spans
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, CLIENTS_SPAN)
    assert span.name == f"POST {PATH}"
    attributes = {attribute.key: attribute.value for attribute in span.attributes}
    assert attributes["http.response.status_code"].int_value == 202
    assert attributes["oms.request_id"].int_value == request_id
    kept = db.execute("SELECT traceparent FROM document_requests").fetchone()
    assert kept == (f"00-{TRACE}-{span.span_id.hex()}-01",)


def test_nothing_of_a_person_is_in_a_log_a_metric_or_a_span(
    make_intake: Callable[..., Flask],
    intake_settings: IntakeSettings,
    collector: tuple[str, list[Any]],
    token: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    logs: list[Any],
) -> None:
    """A marker in each field that a client can fill: taken, refused, repeated with another content, searched by."""
    url, spans = collector
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    intake = make_intake(IntakeSettings(**intake_settings.model_dump(exclude_unset=True)))
    client, marker = intake.test_client(), "JaneQMarker"
    headers = {"Authorization": f"Bearer {token()}", "X-Origin-User": marker, "User-Agent": marker, "Referer": marker}
    pair = [{"key": "CUSTOMER_ID", "value": marker}]
    bodies: list[Any] = [
        a_request(document_metadata=pair, document_content={marker: marker}),
        a_request(document_metadata=pair, document_content={marker: 1}),
        *(a_request(**{name: marker}) for name in ("document_type", "document_name", "source_environment")),
        a_request(**{marker: marker}), [marker], marker,
    ]  # fmt: skip
    statuses = [client.post(PATH, json=body, headers=headers).status_code for body in bodies]
    statuses += [client.post(f"{PATH}/bulk", json=[body], headers=headers).status_code for body in bodies]
    statuses.append(
        client.post(PATH, data=f'{{"{marker}', content_type="application/json", headers=headers).status_code
    )
    for path in (f"?metadata=CUSTOMER_ID:{marker}", f"?{marker}=1", f"/{marker}", f"/1?{marker}", f"/1/{marker}"):
        statuses.append(client.get(PATH + path, headers=headers).status_code)
    assert {200, 202, 400, 404, 409, 422} <= set(statuses)
    metrics = client.get("/metrics").text
    intake.extensions["oms_traces"].shutdown()
    assert len(spans) > len(bodies)
    for where in (logs, spans, metrics):
        assert where
        assert marker not in str(where)


@pytest.mark.parametrize("variables", [{}, {"OTEL_TRACES_EXPORTER": "none"}, {"OTEL_SDK_DISABLED": "true"}])
def test_off(
    make_intake: Callable[..., Flask],
    intake_settings: IntakeSettings,
    token: Callable[..., str],
    db: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
) -> None:
    for name, value in {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1" if variables else "", **variables}.items():
        monkeypatch.setenv(name, value)
    intake = make_intake(IntakeSettings(**intake_settings.model_dump(exclude_unset=True)))
    post(intake, token())
    assert "oms_traces" not in intake.extensions
    kept = db.execute("SELECT traceparent FROM document_requests").fetchone()
    assert kept == (f"00-{TRACE}-{CLIENTS_SPAN}-01",)
