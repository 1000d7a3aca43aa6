"""The console in process, on a real OMS Database, under Airflow's own simple auth manager."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from airflow.api_fastapi.app import _AuthManagerState
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.api_fastapi.core_api.security import get_user
from airflow.models.dag import DagModel
from fastapi.routing import APIRoute
from psycopg.types.json import Jsonb

from include.jobs import doors
from include.oms.base import database as oms_database
from include.oms.base.settings import settings
from include.oms.operators.bulk_operations import lease_operation, work_operation
from include.oms.testing.postgres import as_role
from include.services.issuer.tokens import ensure_key_pair, make_token
from include.services.reference_data.app import create_app as create_reference_data_api
from include.services.reference_data.settings import ReferenceDataSettings
from plugins.oms_console import database, outside
from plugins.oms_console.app import create_app
from tests.integration.console.browser import chromium, listening, pages

__all__ = ["chromium", "pages"]

ROUTES = {
    (method, route.path.removeprefix("/api/")): route
    for route in create_app().routes
    if isinstance(route, APIRoute) and route.path.startswith("/api/")
    for method in route.methods
}
"""Every route of the console's API, by its method and path."""

FIT = {
    "kind": "reference-data", "system": "THUNDERHEAD", "source_system": "CIBT", "day": "2026-11-26", "name": "OVERDUE",
    "request_id": "1", "operation_id": "1", "hold_id": "1", "row_id": "1",
}  # fmt: skip
"""What fits into the paths of the routes."""

JSON = {"Content-Type": "application/json", "X-OMS-Console": "1"}


@dataclass
class Console:
    """The console's API as one user meets it, and the database behind it."""

    http: httpx.AsyncClient
    db: psycopg.Connection
    log_in: Callable[..., None]  # with a role, and a name
    url: str  # of the database

    async def get(self, path: str, **params: Any) -> Any:
        """What a GET answers. Fails where that is not 200."""
        answer = await self.http.get(f"/api/{path}", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, **body: Any) -> httpx.Response:
        """A POST as the pages send it."""
        return await self.http.post(f"/api/{path}", json=body, headers=JSON)

    def request(self, status: str = "QUEUED", metadata: dict[str, str] | None = None, **columns: Any) -> int:
        """A request that stands at ``status``; its id."""
        ended = status in ("FAILED", "STOPPED", "COMPLETED")
        row = {
            "source_system": "CIBT", "document_type": "INVOICE", "document_name": "IVZRECPA", "status": status,
            "document_language": "EN", "source_environment": "DEV", "client_subject": "test", "content_hash": b"",
            "request_correlation_id": uuid4().hex, "revision": int(ended),
        } | columns  # fmt: skip
        names = [*row, "ended_at"] if ended else list(row)
        values = ", ".join("now()" if name == "ended_at" else f"%({name})s" for name in names)
        (request_id,) = self.db.execute(
            f"INSERT INTO document_requests ({', '.join(names)}) VALUES ({values}) RETURNING request_id", row
        ).fetchone() or (0,)
        self.db.execute("INSERT INTO request_payloads VALUES (%s, %s)", [request_id, '{"name": "Ada", "n": 1.00}'])
        for key, value in (metadata or {}).items():
            self.db.execute("INSERT INTO request_metadata VALUES (%s, %s, %s)", [request_id, key, value])
        return int(request_id)

    def error(self, request_id: int, category: str, description: str = "it broke", stage: str = "SUBMISSION") -> None:
        """The request's next error."""
        self.db.execute(
            "INSERT INTO request_errors (request_id, revision, attempt, stage, category, description)"
            " VALUES (%s, 1, 1, %s, %s, %s)",
            [request_id, stage, category, description],
        )

    def slice(self, job: str, run: str, ordinal: int, *request_ids: int) -> int:
        """A slice that has had these requests in its hands."""
        (slice_id,) = self.db.execute(
            "INSERT INTO slices (job, dag_run_id, ordinal, label, size) VALUES (%s, %s, %s, 'a slice', %s)"
            " RETURNING slice_id",
            [job, run, ordinal, len(request_ids)],
        ).fetchone() or (0,)
        for request_id in request_ids:
            self.db.execute(
                "INSERT INTO request_timeline (request_id, event, actor, slice_id) VALUES (%s, 'CLAIMED', %s, %s)",
                [request_id, job, slice_id],
            )
        return int(slice_id)

    def batch(self, request_id: int, attempt: int, status: str = "COMPLETED", *, xml: str = "", **columns: Any) -> None:
        """An attempt of the request at Thunderhead, with what was submitted."""
        row = {
            "request_id": request_id, "attempt": attempt, "batch_name": f"OMS-{request_id}-{attempt}",
            "batch_config_id": "1", "status": status,
        } | columns  # fmt: skip
        (key,) = self.db.execute(
            f"INSERT INTO thunderhead_batches ({', '.join(row)}) VALUES ({', '.join(f'%({name})s' for name in row)})"
            " RETURNING batch_key",
            row,
        ).fetchone() or (0,)
        if xml:
            self.db.execute("INSERT INTO batch_payloads (batch_key, xml) VALUES (%s, %s)", [key, xml])

    def reconciliation(self, day: str, *found: dict[str, Any], **counts: int) -> None:
        """The report of a UTC day, with these discrepancies."""
        self.db.execute(
            """INSERT INTO reconciliations (window_from, window_to, dag_run_id, adds_up, counts, discrepancies, report)
               VALUES (%(day)s::date::timestamp AT TIME ZONE 'UTC',
                       (%(day)s::date + interval '1 day') AT TIME ZONE 'UTC',
                       'scheduled__1', %(adds_up)s, %(counts)s, %(found)s, '')""",
            {"day": day, "adds_up": not found, "counts": Jsonb(counts), "found": Jsonb(found)},
        )

    def trail(self) -> list[tuple[str, ...]]:
        """Who did what to what and why, as the audit trail has it, oldest first."""
        return self.db.execute(
            "SELECT actor, action, subject, reason FROM operator_actions ORDER BY action_id"
        ).fetchall()

    def timeline(self, request_id: int) -> list[tuple[str, str]]:
        """What happened to a request, and who did it."""
        return self.db.execute(
            "SELECT event, actor FROM request_timeline WHERE request_id = %s ORDER BY entry_id", [request_id]
        ).fetchall()


async def work(console: Console) -> None:
    """What the job bulk_operations does."""
    async with await oms_database.connect(console.url, settings(), application_name="test") as connection:
        while leased := await lease_operation(connection):
            async for _ in work_operation(connection, leased, max_seconds=60):
                pass


@pytest.fixture
async def console(
    oms_database_url: str, db: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Console]:
    """The console as an operator who may act sees it."""

    async def url() -> str:
        return as_role(oms_database_url, "oms_console")

    monkeypatch.setattr(database, "database_url", url)
    monkeypatch.setattr(doors, "oms_database_url_async", url)
    monkeypatch.setattr(_AuthManagerState, "instance", SimpleAuthManager())
    monkeypatch.setattr(DagModel, "get_team_name", lambda _dag_id: None)  # else it would ask Airflow's own database
    url: str  # of the database
    app = create_app()

    def log_in(role: str | None, name: str = "ada") -> None:
        app.dependency_overrides.clear()
        if role:
            app.dependency_overrides[get_user] = lambda: SimpleAuthManagerUser(username=name, role=role)

    log_in("op")
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://console", headers={"Host": "console"}) as http:
        yield Console(http, db, log_in, oms_database_url)


@pytest.fixture
def reference_api(console: Console, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The Reference Data API itself, on the test's database."""
    private_key, public_key = ensure_key_pair(tmp_path)
    token = make_token(private_key, source_system="OMS", scopes=["reference-data:write"])
    settings = ReferenceDataSettings(database_url=console.url, jwt_public_key_file=public_key)
    with listening(create_reference_data_api(settings)) as url:
        headers = {"Authorization": f"Bearer {token}"}
        monkeypatch.setattr(outside, "base_url_and_headers", lambda _conn_id: (url, headers))
        yield
