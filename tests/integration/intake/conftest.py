"""An intake on a real database, a small reference data server beside it, and clients with tokens."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import psycopg
import pytest
import structlog
from flask import Flask
from flask.testing import FlaskClient
from reportlab.pdfgen.canvas import Canvas

from include.oms.testing.kafka import free_port
from include.oms.testing.postgres import ROOT, as_role
from include.services.issuer.tokens import ensure_key_pair, make_token
from oms_intake import create_app
from oms_intake.parts import Parts
from oms_intake.settings import IntakeSettings
from tests.integration.intake.contract_check import CheckedClient
from tests.integration.stand_in import QuietHandler, StandIn


class ReferenceDataServer(StandIn):
    """The neighbour, as far as the intake sees it. Change ``rows`` or ``status`` while it runs."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Any]] = {
            "SOURCE_SYSTEM": ["CIBT", "ARCADE"],
            "DOCUMENT_TYPE": ["POLICY", "INVOICE"],
            "DOCUMENT_NAME": ["POSHOOFF", "IVZRECPA"],
            "DOCUMENT_LANGUAGE": ["EN", "DE"],
            "METADATA_KEY": ["FOOTER_ID", "CUSTOMER_ID", "POLICY_ID", "INVOICE_ID"],
        }
        self.quotas: dict[str, dict[str, Any]] = {}  # rows, by source system
        self.schemas: dict[str, dict[str, Any]] = {}  # rows, by document name
        self.status = 200
        self.calls = 0
        server = self

        class Handler(QuietHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                server.calls += 1
                path, _, query = self.path.partition("?")
                if path == "/v1/document-schemas/search":
                    found = server.schemas.get(parse_qs(query)["documentName"][0])
                    answer: list[Any] = [found] if found else []
                elif path == "/v1/source-system-quotas/search":
                    found = server.quotas.get(parse_qs(query)["sourceSystem"][0])
                    answer = [found] if found else []
                else:
                    answer = [
                        {"id": 1, "refDataValue": value} for value in server.rows.get(path.rpartition("/")[2], [])
                    ]
                body = json.dumps(answer).encode()
                self.send_response(server.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        super().__init__(Handler)


@pytest.fixture
def reference_data() -> Iterator[ReferenceDataServer]:
    server = ReferenceDataServer()
    yield server
    server.stop()


def a_pdf(pages: int = 2) -> bytes:
    file = io.BytesIO()
    canvas = Canvas(file)
    for number in range(pages):
        canvas.drawString(100, 100, f"page {number}")
        canvas.showPage()
    canvas.save()
    return file.getvalue()


PDF = a_pdf()


class ThunderheadServer(StandIn):
    """Gives documents. Change what it answers while it runs."""

    def __init__(self) -> None:
        self.status, self.body, self.headers = 200, PDF, {"Content-Type": "application/pdf"}
        self.promised: int | None = None  # Content-Length; None: what is sent
        self.asked: list[tuple[str, str | None]] = []
        server = self

        class Handler(QuietHandler):
            def do_GET(self) -> None:
                server.asked.append((self.path, self.headers["Authorization"]))
                self.send_response(server.status)
                length = len(server.body) if server.promised is None else server.promised
                for name, value in {**server.headers, "Content-Length": str(length)}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(server.body)

        super().__init__(Handler)


@pytest.fixture
def thunderhead() -> Iterator[ThunderheadServer]:
    server = ThunderheadServer()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def private_key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ensure_key_pair(tmp_path_factory.mktemp("keys"))[0]


@pytest.fixture
def intake_settings(
    oms_database_url: str, reference_data: ReferenceDataServer, private_key_file: Path
) -> IntakeSettings:
    return IntakeSettings(
        database_url=as_role(oms_database_url, "oms_intake"),
        reference_data_url=reference_data.url,
        jwt_public_key_file=private_key_file.with_name("jwt-public.pem"),
        intake_pool_timeout_seconds=1,
        intake_statement_timeout_seconds=2,
    )


@pytest.fixture
def make_intake() -> Iterator[Callable[[IntakeSettings], Flask]]:
    """Makes intakes and closes them."""
    made: list[Flask] = []

    def make(settings: IntakeSettings) -> Flask:
        made.append(create_app(settings))
        made[-1].test_client_class = CheckedClient
        return made[-1]

    yield make
    for app in made:
        parts: Parts = app.extensions["oms"]
        parts.close()


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[Any]]:
    """What is logged meanwhile."""
    with structlog.testing.capture_logs() as lines:
        yield lines


def warm(intake: Flask, token: str) -> Flask:
    """Have it fetch what it checks a request against: calls that come at once do not wait for a slow first fetch."""
    path, headers = "/v1/document-requests?validate_only=true", {"Authorization": f"Bearer {token}"}
    assert intake.test_client().post(path, json=a_request(), headers=headers).status_code == 200
    return intake


@pytest.fixture
def intake(make_intake: Callable[[IntakeSettings], Flask], intake_settings: IntakeSettings) -> Flask:
    return make_intake(intake_settings)


@pytest.fixture
def token(private_key_file: Path) -> Callable[..., str]:
    """Makes tokens: ``token()`` is CIBT's with both scopes."""

    def make(source_system: str = "CIBT", **claims: Any) -> str:
        return make_token(private_key_file, source_system=source_system, **claims)

    return make


@pytest.fixture
def client_of(intake: Flask, token: Callable[..., str]) -> Callable[..., FlaskClient]:
    """Makes clients: ``client_of("ARCADE")`` is one with a token of that source system."""

    def make(source_system: str = "CIBT", **claims: Any) -> FlaskClient:
        client = intake.test_client()
        client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token(source_system, **claims)}"
        return client

    return make


class ServedIntake:
    """The intake under its production server, in processes of its own."""

    def __init__(self, settings: IntakeSettings, log: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = log
        given = settings.model_dump(exclude_unset=True, exclude_none=True)
        env = {f"OMS_{name.upper()}": str(value) for name, value in given.items()}
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "-c", "oms_intake/gunicorn.conf.py", "oms_intake.wsgi:app"],
                cwd=ROOT,
                env={**os.environ, **env, "OMS_INTAKE_PORT": str(self.port)},
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def wait_until_ready(self) -> None:
        """Raises AssertionError with the log where it does not answer in 30 s."""
        until = time.monotonic() + 30
        while time.monotonic() < until and self.process.poll() is None:
            with suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/readyz", trust_env=False).status_code == 200:
                    return
            time.sleep(0.05)
        raise AssertionError(self._log.read_text())

    def lines(self) -> list[Any]:
        """What it logged; each line must be JSON."""
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    def stop(self) -> None:
        """Raises AssertionError where it does not end by itself."""
        self.process.terminate()
        assert self.process.wait(40) == 0


@pytest.fixture
def serve(tmp_path: Path, intake_settings: IntakeSettings) -> Iterator[Callable[..., ServedIntake]]:
    """Starts the intake under gunicorn, with changed settings, and stops it."""
    started: list[ServedIntake] = []

    def start(**changes: Any) -> ServedIntake:
        settings = intake_settings.model_copy(update={"intake_workers": 1, "intake_threads": 4} | changes)
        started.append(ServedIntake(settings, tmp_path / "intake.log"))
        started[-1].wait_until_ready()
        return started[-1]

    yield start
    for served in started:
        if served.process.poll() is None:
            served.stop()


@pytest.fixture
def cibt(client_of: Callable[..., FlaskClient]) -> FlaskClient:
    return client_of()


@pytest.fixture
def arcade(client_of: Callable[..., FlaskClient]) -> FlaskClient:
    return client_of("ARCADE")


def a_request(correlation_id: str = "REQ-1", **changes: Any) -> dict[str, Any]:
    """A request that is fine, with changes; None takes a member out."""
    request = {
        "document_type": "INVOICE",
        "document_name": "IVZRECPA",
        "document_language": "EN",
        "source_environment": "DEV",
        "request_correlation_id": correlation_id,
        "document_metadata": [{"key": "INVOICE_ID", "value": "490634"}, {"key": "FOOTER_ID", "value": "2"}],
        "document_content": {"Document": {"Amount": {"value": "1250.00"}}},
    } | changes
    return {name: value for name, value in request.items() if value is not None}


def count_rows(db: psycopg.Connection[Any]) -> int:
    """All rows that requests leave."""
    tables = ("document_requests", "request_payloads", "request_metadata", "request_timeline")
    return sum(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables)  # type: ignore[index,arg-type]


def complete(db: psycopg.Connection[Any], request_id: int) -> None:
    """Bring a request to COMPLETED, as the jobs do: its second batch has document 7."""
    db.execute("""
        INSERT INTO thunderhead_batches (request_id, attempt, batch_name, batch_config_id, status, thunderhead_batch_id,
            dms_document_id, unsure_since, submitted_at, ended_at)
        SELECT %(id)s, attempt, format('OMS-%%s-%%s', %(id)s::bigint, attempt), '1', status, attempt, document, NULL,
               now(), now()
        FROM (VALUES (1, 'FAILED', NULL), (2, 'COMPLETED', 7::bigint)) AS b (attempt, status, document)""",
        {"id": request_id})  # fmt: skip
    db.execute(
        "UPDATE document_requests SET status = 'COMPLETED', stage = 'MONITORING', revision = 1, ended_at = now(),"
        " attempts = 2 WHERE request_id = %s",
        [request_id],
    )
