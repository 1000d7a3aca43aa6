"""The audit trail: what is kept, who may read it, and that nobody can change it."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import psycopg
import pytest

from include.oms.base import database
from include.oms.base.settings import settings
from include.oms.upkeep.housekeeping import prune_operator_actions
from plugins.oms_console import clears
from tests.integration.console.conftest import Console, work


@pytest.mark.parametrize(
    "statement",
    ["UPDATE operator_actions SET actor = 'nobody'", "DELETE FROM operator_actions", "TRUNCATE operator_actions"],
)
async def test_the_database_refuses_to_change_the_trail(console: Console, statement: str) -> None:
    await console.post("retriggers", request_ids=[console.request("FAILED")])
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="operator_actions only grows"):
        console.db.execute(statement)
    console.db.rollback()
    assert len(console.trail()) == 1


async def test_each_action_is_kept_with_its_reason(console: Console) -> None:
    failed, stopped = console.request("FAILED"), console.request("STOPPED")
    waiting = console.request(due_at="2100-01-01T00:00:00Z")
    await console.post("retriggers", request_ids=[failed, stopped], reason="the template is mended")
    await console.post("retry-now", request_ids=[waiting])
    await console.post("cancellations", request_ids=[waiting])
    await console.post(f"requests/{failed}/looks", what="json")
    assert console.trail() == [
        ("airflow:ada", "retrigger", f"requests [{failed}, {stopped}]", "the template is mended"),
        ("airflow:ada", "retry_now", None, None),
        ("airflow:ada", "withdraw", None, None),
        ("airflow:ada", "look", "json", None),
    ]
    (detail,) = console.db.execute("SELECT detail FROM request_timeline WHERE event = 'RETRIGGERED' LIMIT 1").fetchone()
    assert detail["why"] == "the template is mended"


async def test_a_search_by_metadata_is_kept_once_and_without_its_value(console: Console) -> None:
    console.request(metadata={"POLICY_ID": "secret"})
    first = await console.http.get("/api/requests?metadata=POLICY_ID:secret")
    await console.http.get("/api/requests?metadata=POLICY_ID:secret", headers={"If-None-Match": first.headers["etag"]})
    assert console.trail() == [("airflow:ada", "search_by_metadata", "metadata: POLICY_ID:…", None)]


async def test_the_trail_is_read_filtered_and_taken_away(console: Console) -> None:
    ids = [console.request("FAILED") for _ in range(3)]
    for request_id in ids:
        await console.post("retriggers", request_ids=[request_id])
    shown = await console.get("actions", request_id=ids[1])
    assert [(row["actor"], row["action"], row["request_id"]) for row in shown["items"]] == [
        ("airflow:ada", "retrigger", ids[1])
    ]
    assert [row["request_id"] for row in (await console.get("actions"))["items"]] == ids[::-1]
    text = (await console.http.get("/api/actions.csv?action=retrigger")).content.decode("utf-8-sig")
    assert [int(row["request_id"]) for row in csv.DictReader(io.StringIO(text))] == ids[::-1]
    assert console.trail()[-1] == ("airflow:ada", "export_actions", "action: retrigger", None)
    console.log_in("viewer")
    assert (await console.http.get("/api/actions")).status_code == 403


async def test_only_what_is_years_old_is_forgotten(console: Console) -> None:
    console.db.execute(
        "INSERT INTO operator_actions (at, actor, door, action)"
        " SELECT now() - n * interval '1 year', 'airflow:ada', 'console', 'export' FROM generate_series(0, 12) AS n"
    )
    async with await database.connect(console.url, settings(), application_name="test") as connection:
        assert await prune_operator_actions(connection, settings()) == 2
    assert len(console.trail()) == 11


RUN = "scheduled__2026-11-27T10:00:00+00:00"


async def clear(console: Console, monkeypatch: pytest.MonkeyPatch, path: str, **body: Any) -> None:
    """Airflow's own clear, as the middleware around the API server sees it."""

    async def name(_headers: Any) -> str:
        return "bob"

    monkeypatch.setattr(clears, "_user_name", name)
    scope = {"type": "http", "method": "POST", "path": f"/api/v2/dags/{path}", "headers": []}
    assert clears.is_clear(scope)
    await clears.keep_clear(scope, json.dumps(body).encode())


async def test_a_clear_is_kept_at_once_with_who_pressed_it(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = console.request("FAILED")
    slice_id = console.slice("document_processing", RUN, 0, mine)
    console.db.execute("UPDATE slices SET map_index = 0, generation = 0, opened_at = now(), closed_at = now()")
    console.db.execute("UPDATE document_requests SET slice_id = %s", [slice_id])
    body = {"dag_run_id": RUN, "task_ids": [["process_slice", 0]], "only_failed": False}
    await clear(console, monkeypatch, "document_processing/clearTaskInstances", **body)
    assert console.trail() == []  # Airflow's dialog asks first, without doing anything
    await clear(console, monkeypatch, "document_processing/clearTaskInstances", dry_run=False, **body)
    assert console.trail() == [("airflow:bob", "clear", f"document_processing/{RUN}", None)]
    (row,) = await _rows(console, "who_cleared", slice_id=slice_id)
    assert row == {"actor": "airflow:bob"}
    await clear(console, monkeypatch, f"document_processing/dagRuns/{RUN}/clear", dry_run=False, note="again")
    assert console.trail()[-1] == ("airflow:bob", "clear", f"document_processing/{RUN}", "again")


async def _rows(console: Console, name: str, **values: Any) -> list[Any]:
    async with await database.connect(console.url, settings(), application_name="test") as connection:
        return await database.rows(connection, name, **values)


async def test_mark_success_resolves_with_its_note_as_the_reason(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def name(_headers: Any) -> str:
        return "bob"

    monkeypatch.setattr(clears, "_user_name", name)
    mine, other, done = console.request("FAILED"), console.request("FAILED"), console.request("COMPLETED")
    for ordinal, ids in enumerate([(mine, done), (other,)]):
        slice_id = console.slice("document_processing", RUN, ordinal, *ids)
        console.db.execute(
            "UPDATE document_requests SET slice_id = %s WHERE request_id = ANY (%s)", [slice_id, list(ids)]
        )
    path = f"/api/v2/dags/document_processing/dagRuns/{RUN}/taskInstances/process_slice/0"
    scope = {"type": "http", "method": "PATCH", "path": path, "headers": []}
    assert clears.is_mark(scope)
    await clears.resolve_marked(scope, b'{"new_state": "failed"}')
    assert console.trail() == []
    await clears.resolve_marked(scope, b'{"new_state": "success", "note": "sent by hand"}')
    await work(console)
    assert console.timeline(mine)[-1] == ("RESOLVED", "airflow:bob")
    assert [console.timeline(it)[-1][0] for it in (other, done)] == ["CLAIMED", "CLAIMED"]
    subject = f"marked as success: document_processing/{RUN}"
    assert console.trail()[0] == ("airflow:bob", "resolve", subject, "sent by hand")
    await clears.resolve_marked(scope | {"path": path.partition("/taskInstances")[0]}, b'{"state": "success"}')
    await work(console)
    assert console.timeline(other)[-1] == ("RESOLVED", "airflow:bob")


def test_other_calls_are_no_clears() -> None:
    for method, path in (("GET", "document_processing/clearTaskInstances"), ("POST", "other/clearTaskInstances")):
        assert not clears.is_clear({"type": "http", "method": method, "path": f"/api/v2/dags/{path}"})
