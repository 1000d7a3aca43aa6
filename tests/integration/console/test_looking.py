"""What the console shows: slices, search, one request, the dashboard."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from tests.integration.console.conftest import Console


async def test_a_task_instance_shows_its_slice_those_in_need_first(console: Console) -> None:
    done, failed = console.request("COMPLETED"), console.request("FAILED")
    slice_id = console.slice("document_processing", "run", 3, done, failed)
    console.slice("document_processing", "run", 4, console.request())
    console.db.execute("UPDATE document_requests SET slice_id = %s WHERE request_id = %s", [slice_id, failed])
    console.error(failed, "VALIDATION_ERROR", "<script>alert(1)</script>")

    shown = await console.get(
        "slices", dag_id="document_processing", run_id="run", task_id="process_slice", map_index=3
    )

    assert [row["request_id"] for row in shown["requests"]] == [failed, done]
    assert shown["requests"][0]["description"] == "<script>alert(1)</script>"
    assert shown["clearing"] == [{"stage": "SUBMISSION", "number": 1}] or shown["clearing"][0]["number"] == 1


async def test_a_monitoring_slice_shows_what_it_polled_before_and_after_an_end(console: Console) -> None:
    polled, ended = console.request("PROCESSING"), console.request("COMPLETED")
    slice_id = console.slice("document_monitoring", "run", 0, ended)
    console.db.execute(
        "INSERT INTO thunderhead_batches (request_id, attempt, batch_name, batch_config_id, status, slice_id,"
        " thunderhead_batch_id, next_poll_at) VALUES (%s, 1, 'b', '1', 'PROCESSING_THUNDERHEAD', %s, 7, now())",
        [polled, slice_id],
    )  # its lease is let go: polled, and not ended
    shown = await console.get("slices", dag_id="document_monitoring", run_id="run", task_id="poll_slice", map_index=0)
    assert [row["request_id"] for row in shown["requests"]] == [polled, ended]


@pytest.mark.parametrize("where", [{}, {"task_id": "{TASK_ID}", "map_index": "{MAP_INDEX}"}, {"map_index": "-1"}])
async def test_a_run_shows_all_its_slices(console: Console, where: dict[str, str]) -> None:
    ids = {console.request(), console.request()}
    for ordinal, request_id in enumerate(ids):
        console.slice("document_processing", "run", ordinal, request_id)
    shown = await console.get("slices", dag_id="document_processing", run_id="run", **where)
    assert {row["request_id"] for row in shown["requests"]} == ids
    assert len(shown["slices"]) == shown["in_all"] == 2


@pytest.mark.parametrize("dag_id", ["other", "{DAG_ID}"])
async def test_what_is_no_job_of_ours_shows_nothing(console: Console, dag_id: str) -> None:
    assert (await console.get("slices", dag_id=dag_id, run_id="run"))["job"] is None


FOUND_BY: list[dict[str, Any]] = [
    {"correlation_id": "mine"}, {"batch_id": 4711}, {"metadata": "POLICY_NUMBER:P:1"}, {"document": "POSHOOFF"},
    {"document": "POLICY"}, {"status": "STOPPED"}, {"status": ["STOPPED", "QUEUED"], "document": "POSHOOFF"},
    {"status": ["STOPPED", "COMPLETED"], "batch_id": 4711}, {"withdrawn": "false", "status": "STOPPED"},
    {"category": "OVERDUE"}, {"created_to": "2020-01-01T00:00:00Z"}, {"retrying": "true"},
]  # fmt: skip


@pytest.mark.parametrize("wanted", FOUND_BY, ids=str)
async def test_each_filter_finds_exactly_what_it_says(console: Console, wanted: dict[str, Any]) -> None:
    console.error(console.request("FAILED", metadata={"POLICY_NUMBER": "P"}, spent=1), "VALIDATION_ERROR")
    if "retrying" in wanted:
        mine = console.request(spent=2)
    else:
        mine = console.request(
            "STOPPED", {"POLICY_NUMBER": "P:1"}, request_correlation_id="mine", document_name="POSHOOFF",
            document_type="POLICY", created_at="2019-01-01T00:00:00Z",
        )  # fmt: skip
        console.error(mine, "VALIDATION_ERROR")
        console.error(mine, "OVERDUE")
        console.db.execute(
            "INSERT INTO thunderhead_batches (request_id, attempt, batch_name, batch_config_id, status,"
            " thunderhead_batch_id) VALUES (%s, 1, 'OMS-1-1', '1', 'FAILED', 4711)",
            [mine],
        )
    console.request("COMPLETED")
    found = await console.get("requests", **wanted)
    assert [row["request_id"] for row in found["items"]] == [mine]
    assert (await console.get("requests", **wanted, request_id=mine))["items"]
    assert not (await console.get("requests", **wanted, request_id=mine + 100))["items"]


async def test_pages_follow_each_other_without_gap_or_double(console: Console) -> None:
    ids = [console.request() for _ in range(120)]
    seen, before = [], None
    while True:
        page = await console.get("requests", **({"before": before} if before else {}))
        seen += [row["request_id"] for row in page["items"]]
        if (before := page["before"]) is None:
            break
    assert seen == ids[::-1]


@pytest.mark.parametrize(
    "wanted", [{"request_id": "x"}, {"request_id": 2**63}, {"metadata": "no colon"}, {"status": "NONE"},
               {"category": "x"}, {"created_from": "yesterday"}, {"correlation_id": "a\x00b"}], ids=str,
)  # fmt: skip
async def test_a_wrong_filter_is_told(console: Console, wanted: dict[str, Any]) -> None:
    answer = await console.http.get("/api/requests", params=wanted)
    assert answer.status_code == 422
    assert next(iter(wanted)) in answer.json()["title"]


async def test_lists_pages_and_exports_hold_no_personal_data(console: Console) -> None:
    mine = console.request("FAILED", {"POLICY_NUMBER": "secret-policy"})
    for path in ("requests", f"requests/{mine}", "requests.csv", "dashboard"):
        text = (await console.http.get(f"/api/{path}")).text
        assert "secret-policy" not in text
        assert "Ada" not in text


async def test_an_export_is_audited_without_the_metadata_it_was_asked_by(console: Console) -> None:
    console.request("FAILED", {"POLICY_NUMBER": "secret-policy"})
    text = await console.http.get("/api/requests.csv?status=FAILED&status=STOPPED&metadata=POLICY_NUMBER:secret-policy")
    assert len(text.text.splitlines()) == 2
    assert console.audited == [("ada", "oms.export", '{"status":["FAILED","STOPPED"]}')]


async def test_an_export_is_no_formula(console: Console) -> None:
    mine = console.request("FAILED", request_correlation_id="=1+1")
    console.error(mine, "VALIDATION_ERROR", "@SUM(A1)")
    rows = list(csv.DictReader(io.StringIO((await console.http.get("/api/requests.csv")).text)))
    assert (rows[0]["request_correlation_id"], rows[0]["description"]) == ("'=1+1", "'@SUM(A1)")


async def test_a_page_tells_what_an_error_means_and_where_it_happened(console: Console) -> None:
    mine = console.request("FAILED")
    console.slice("document_monitoring", "run", 2, mine)
    console.error(mine, "OVERDUE", stage="MONITORING")
    shown = await console.get(f"requests/{mine}")
    assert shown["help"]["OVERDUE"]["what_to_do"]
    entry = shown["timeline"][0]
    assert (entry["job"], entry["dag_run_id"], entry["map_index"]) == ("document_monitoring", "run", 2)


async def test_errors_and_attempts_name_the_task_instance_that_had_them(console: Console) -> None:
    mine = console.request("FAILED")
    slice_id = console.slice("document_processing", "run", 1, mine)
    console.error(mine, "TIMEOUT_ERROR")
    console.db.execute("UPDATE request_errors SET slice_id = %s", [slice_id])
    console.db.execute(
        "INSERT INTO thunderhead_batches (request_id, attempt, batch_name, batch_config_id, status, slice_id)"
        " VALUES (%s, 1, 'b', '1', 'FAILED', %s)",
        [mine, slice_id],
    )
    shown = await console.get(f"requests/{mine}")
    for row in (shown["errors"][0], shown["batches"][0]):
        assert (row["job"], row["dag_run_id"], row["map_index"]) == ("document_processing", "run", 1)


@pytest.mark.parametrize("request_id", [0, 999, 2**70])
async def test_what_is_not_there_is_404(console: Console, request_id: int) -> None:
    assert (await console.http.get(f"/api/requests/{request_id}")).status_code == 404


@pytest.mark.parametrize(("over", "steps"), [("1h", 60), ("6h", 72), ("24h", 96), ("7d", 84)])
async def test_each_span_of_the_dashboard_counts_what_lies_in_it(console: Console, over: str, steps: int) -> None:
    console.request("COMPLETED", created_at="2020-01-01T00:00:00Z")
    shown = (await console.get("dashboard", over=over))["steps"]
    assert len(shown) == steps
    assert (sum(step["completed"] for step in shown), sum(step["accepted"] for step in shown)) == (1, 0)
    assert shown[-1]["completed"] == 1


async def test_the_dashboard_counts(console: Console) -> None:
    for status in ("COMPLETED", "COMPLETED", "FAILED", "QUEUED"):
        console.request(status)
    console.request(spent=1, due_at="2100-01-01T00:00:00Z")
    shown = await console.get("dashboard", over="1h")
    assert {key: shown["stock"][key] for key in ("due", "waiting", "red", "retrying")} == {
        "due": 1, "waiting": 1, "red": 1, "retrying": 1,
    }  # fmt: skip
    assert sum(step["completed"] for step in shown["steps"]) == 2
    assert sum(step["accepted"] for step in shown["steps"]) == 5
    assert len(shown["steps"]) == 60


async def test_a_database_that_is_out_is_told_in_a_sentence(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    from plugins.oms_console import database

    async def nowhere() -> str:
        return "postgresql://nobody@127.0.0.1:1/none"

    monkeypatch.setattr(database, "database_url", nowhere)
    answer = await console.http.get("/api/requests")
    assert answer.status_code == 503
    assert "does not answer" in answer.json()["title"]
    assert "nobody" not in answer.text
