"""What operators do in the console, and what stands in the timeline afterwards."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from include.oms.base import database
from include.oms.base.settings import settings
from include.oms.slices.claim import claim_slices
from include.oms.words.model import Job
from plugins.oms_console import dashboard, looks, outbox, reference
from tests.integration.console.conftest import JSON, Console


async def test_a_selection_is_retriggered_with_a_result_each(console: Console) -> None:
    failed, done = console.request("FAILED"), console.request("COMPLETED")
    answer = await console.post("retriggers", request_ids=[failed, done, 999])
    assert [(row["request_id"], row["done"]) for row in answer.json()["results"]] == [
        (failed, True), (done, False), (999, False),
    ]  # fmt: skip
    assert console.timeline(failed) == [("RETRIGGERED", "airflow:ada")]
    assert console.timeline(done) == []


async def test_what_a_filter_chooses_is_counted_first_and_only_that_is_driven(console: Console) -> None:
    mine = [console.request("FAILED", document_name="POSHOOFF", stage="GENERATION") for _ in range(3)]
    for request_id in mine:
        console.error(request_id, "TIMEOUT_ERROR")
    other = console.request("FAILED")
    console.request("COMPLETED", document_name="POSHOOFF")
    counted = await console.get("requests/count", document="POSHOOFF")
    assert counted["groups"] == [{"status": "FAILED", "stage": "GENERATION", "category": "TIMEOUT_ERROR", "number": 3}]

    answer = await console.post("retriggers", filter={"document": "POSHOOFF"}, expected=3)

    assert {row["request_id"] for row in answer.json()["results"] if row["done"]} == set(mine)
    assert console.timeline(other) == []


async def test_another_number_than_was_confirmed_does_nothing(console: Console) -> None:
    failed = console.request("FAILED")
    answer = await console.post("retriggers", filter={"document": "IVZRECPA"}, expected=2)
    assert answer.status_code == 409
    assert console.timeline(failed) == []


async def test_what_was_withdrawn_is_neither_counted_nor_driven(console: Console) -> None:
    withdrawn, stopped = console.request("STOPPED"), console.request("STOPPED")
    console.error(withdrawn, "CANCELLED", "withdrawn by its client")
    console.error(stopped, "STOPPED_AT_THUNDERHEAD")
    assert (await console.get("requests/count", status="STOPPED"))["number"] == 1
    assert (await console.get("requests/count", category="CANCELLED"))["number"] == 0
    assert (await console.get("requests/count", withdrawn="true"))["number"] == 0
    assert (await console.get("dashboard"))["stock"]["red"] == 1

    named = (await console.post("retriggers", request_ids=[withdrawn])).json()["results"]
    all_of_them = (await console.post("retriggers", filter={"status": ["STOPPED"]}, expected=1)).json()["results"]

    assert named == [{"request_id": withdrawn, "done": False, "result": "left alone: withdrawn by its client; "
                      "whoever wants it after all hands in a new request"}]  # fmt: skip
    assert [row["request_id"] for row in all_of_them] == [stopped]
    assert console.timeline(withdrawn) == []


async def test_several_statuses_are_one_query_for_list_export_count_and_button(console: Console) -> None:
    failed, stopped, queued = console.request("FAILED"), console.request("STOPPED"), console.request()
    console.request("COMPLETED")
    several = ["FAILED", "STOPPED", "QUEUED"]
    assert [row["request_id"] for row in (await console.get("requests", status=several))["items"]] == [
        queued, stopped, failed,
    ]  # fmt: skip
    exported = (await console.http.get("/api/requests.csv", params={"status": several})).text
    assert len(exported.splitlines()) == 1 + 3
    assert (await console.get("requests/count", status=several))["number"] == 2
    answer = await console.post("retriggers", filter={"status": several}, expected=2)
    assert {row["request_id"] for row in answer.json()["results"] if row["done"]} == {failed, stopped}


async def test_a_filter_for_healthy_requests_drives_nothing(console: Console) -> None:
    console.request("FAILED")
    assert (await console.get("requests/count", status="COMPLETED"))["number"] == 0
    answer = await console.post("retriggers", filter={"status": ["COMPLETED"]}, expected=0)
    assert answer.json()["results"] == []


async def test_what_waits_for_its_back_off_is_due_now(console: Console) -> None:
    waiting = console.request(due_at="2100-01-01T00:00:00Z")
    wished = console.request(due_at="2100-01-01T00:00:00Z", not_before="2100-01-01T00:00:00Z")
    answer = await console.post("retry-now", request_ids=[waiting, wished])
    assert [row["done"] for row in answer.json()["results"]] == [True, False]
    assert console.timeline(waiting) == [("DUE_NOW", "airflow:ada")]


async def test_a_queued_request_is_cancelled_with_its_event(console: Console) -> None:
    queued, held = console.request(), console.request("FAILED")
    answer = await console.post("cancellations", request_ids=[queued, held])
    assert [row["done"] for row in answer.json()["results"]] == [True, False]
    assert console.timeline(queued) == [("STOPPED", "airflow:ada")]
    assert console.db.execute("SELECT count(*) FROM final_events").fetchone() == (1,)


@pytest.mark.parametrize(("what", "text"), [("json", '{"name": "Ada", "n": 1.00}'), ("metadata", "P1")])
async def test_each_look_at_personal_data_is_in_the_timeline(console: Console, what: str, text: str) -> None:
    mine = console.request(metadata={"POLICY_NUMBER": "P1"})
    answer = await console.post(f"requests/{mine}/looks", what=what)
    assert text in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert console.timeline(mine) == [("LOOKED_AT", "airflow:ada")]


async def test_a_look_at_what_is_not_there_is_404_and_no_entry(console: Console) -> None:
    mine = console.request()
    for what in ("xml", "pdf", "metadata"):
        assert (await console.post(f"requests/{mine}/looks", what=what)).status_code == 404
    assert console.timeline(mine) == []


async def test_the_document_comes_from_thunderhead(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = console.request("COMPLETED")
    console.db.execute(
        "INSERT INTO thunderhead_batches (request_id, attempt, batch_name, batch_config_id, status, dms_document_id)"
        " VALUES (%s, 1, 'b', '1', 'COMPLETED', 77)",
        [mine],
    )
    monkeypatch.setattr(looks, "_fetch", lambda document_id: b"%%PDF of %d" % document_id)
    answer = await console.post(f"requests/{mine}/looks", what="pdf")
    assert answer.content == b"%PDF of 77"
    assert console.timeline(mine) == [("LOOKED_AT", "airflow:ada")]


async def test_the_dial_is_turned_and_audited(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    audited = []
    monkeypatch.setattr(dashboard, "audit", lambda *what: audited.append(what))
    put = {"paused": True, "why": "they asked us to", "most_in_flight": 5}
    answer = await console.http.put("/api/systems/THUNDERHEAD", json=put, headers=JSON)
    (dial,) = [row for row in answer.json() if row["system"] == "THUNDERHEAD"]
    assert (dial["paused_by"], dial["paused_why"], dial["most_in_flight"]) == ("airflow:ada", put["why"], 5)
    answer = await console.http.put("/api/systems/THUNDERHEAD", json={"paused": False}, headers=JSON)
    (dial,) = [row for row in answer.json() if row["system"] == "THUNDERHEAD"]
    assert (dial["paused_at"], dial["most_in_flight"]) == (None, None)
    assert [what[:2] for what in audited] == [("ada", "oms.dial")] * 2


async def dials(console: Console, method: str, query: str = "", **body: Any) -> dict[str, Any]:
    """Turn Thunderhead's dial; what it then is, by document type."""
    answer = await console.http.request(method, f"/api/systems/THUNDERHEAD{query}", json=body, headers=JSON)
    assert answer.status_code == 200, answer.text
    return {row["document_type"]: row for row in answer.json() if row["system"] == "THUNDERHEAD"}


async def test_a_document_type_gets_a_dial_of_its_own_and_loses_it(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    audited = []
    monkeypatch.setattr(dashboard, "audit", lambda *what: audited.append(what))
    await dials(console, "PUT", document_type="INVOICE", paused=False)
    shown = await dials(console, "PUT", document_type="INVOICE", paused=True, why="the template", most_per_second=0.5)
    invoice = shown["INVOICE"]
    assert (invoice["paused_by"], invoice["paused_why"], invoice["most_per_second"]) == (
        "airflow:ada", "the template", 0.5,
    )  # fmt: skip
    assert (shown["*"]["paused_at"], shown["*"]["most_per_second"]) == (None, None)
    assert list(await dials(console, "DELETE", "?document_type=INVOICE")) == ["*"]
    assert [what[:2] for what in audited] == [("ada", "oms.dial")] * 3


async def test_the_jobs_obey_the_dial_of_a_document_type(
    console: Console, oms_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def claim(run: str) -> None:
        async with await database.connect(oms_database_url, settings(), application_name="test") as connection:
            await claim_slices(connection, Job.PROCESSING, run, settings())

    monkeypatch.setattr(dashboard, "audit", lambda *_: None)
    paused, limited = console.request(), [console.request(document_type="POLICY") for _ in range(3)]
    await dials(console, "PUT", document_type="INVOICE", paused=True, why="the template")
    await dials(console, "PUT", document_type="POLICY", paused=False, most_in_flight=2)
    await claim("first")
    assert [console.timeline(one) != [] for one in [paused, *limited]] == [False, True, True, False]
    await dials(console, "DELETE", "?document_type=INVOICE")
    await claim("second")
    assert console.timeline(paused) != []


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("DELETE", "THUNDERHEAD?document_type=*", {}, 404),
        ("DELETE", "THUNDERHEAD?document_type=NONE", {}, 404),
        ("PUT", "NONE", {"paused": False, "document_type": "INVOICE"}, 404),
        ("PUT", "KAFKA", {"paused": False, "document_type": "INVOICE"}, 422),
        ("PUT", "REFERENCE_DATA", {"paused": False, "most_in_flight": 1}, 422),
        ("PUT", "THUNDERHEAD", {"paused": False, "document_type": "a\x00b"}, 422),
    ],
)
async def test_a_dial_that_no_job_would_obey_is_refused(
    console: Console, method: str, path: str, body: dict[str, Any], status: int
) -> None:
    answer = await console.http.request(method, f"/api/systems/{path}", json=body, headers=JSON)
    assert answer.status_code == status
    assert len(await console.get("systems")) == 3


async def test_a_pause_needs_a_reason(console: Console) -> None:
    answer = await console.http.put("/api/systems/THUNDERHEAD", json={"paused": True}, headers=JSON)
    assert answer.status_code == 422


@pytest.fixture
def reference_api(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """A Reference Data API that takes everything; the calls it has had."""
    calls: list[tuple[str, str]] = []

    async def answer(_self: object, method: str, url: str, **_more: object) -> httpx.Response:
        calls.append((method, url))
        return httpx.Response(200, json=[])

    monkeypatch.setattr(reference, "base_url_and_headers", lambda _conn_id: ("http://reference", {}))
    monkeypatch.setattr(httpx, "AsyncClient", type("Client", (), {
        "__init__": lambda self, **_: None, "__aenter__": _itself, "__aexit__": _nothing, "request": answer,
    }))  # fmt: skip
    monkeypatch.setattr(reference, "audit", lambda *_: None)
    return calls


async def _itself(self: object) -> object:
    return self


async def _nothing(*_: object) -> None:
    return None


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("user", 403), ("op", 200)])
async def test_reference_data_is_edited_only_by_those_who_may(
    console: Console, reference_api: list[tuple[str, str]], role: str, status: int
) -> None:
    console.log_in(role)
    shown = await console.http.get("/api/reference/document-configurations")
    assert shown.status_code == 200, shown.text
    answer = await console.post("reference/document-configurations", code="SIGNEE_1", value="x")
    assert answer.status_code == status
    assert ("POST", "http://reference/v1/document-configurations") in reference_api or status == 403


@pytest.mark.parametrize("kind", ["reference-data", "document-configurations"])
@pytest.mark.parametrize(("role", "status"), [("user", 403), ("op", 200)])
async def test_a_row_is_ended_by_those_who_may(
    console: Console, reference_api: list[tuple[str, str]], kind: str, role: str, status: int
) -> None:
    console.log_in(role)
    answer = await console.http.request("DELETE", f"/api/reference/{kind}/7", json={}, headers=JSON)
    assert answer.status_code == status
    assert reference_api == ([("DELETE", f"http://reference/v1/{kind}/7")] if status == 200 else [])


async def test_a_path_leads_to_nothing_else_at_the_reference_data_api(
    console: Console, reference_api: list[tuple[str, str]]
) -> None:
    for path in ("reference/healthz", "reference/reference-data?type=../../x", "reference/reference-data?type=a%2Fb"):
        assert (await console.http.get(f"/api/{path}")).status_code == 422
    assert reference_api == []


async def test_what_is_set_aside_is_shown_with_its_reason_and_goes_out_again_once_released(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    audited: list[tuple[str, ...]] = []
    monkeypatch.setattr(outbox, "audit", lambda *what: audited.append(what))
    for topic in ("missing", "missing", None):
        request_id = console.request("FAILED", revision=1)
        console.db.execute(
            """INSERT INTO final_events (request_id, revision, event_id, event, topic, set_aside_at, set_aside_reason)
               VALUES (%s, 1, gen_random_uuid(), '{}', %s, now(), 'it is refused')""",
            [request_id, topic],
        )
    shown = await console.get("outbox")
    assert [(row["topic"], row["reason"], row["number"]) for row in shown] == [
        ("missing", "it is refused", 2), ("", "it is refused", 1),
    ]  # fmt: skip
    answer = await console.post("outbox/releases", topic="missing", reason="it is refused")
    assert answer.json() == {"released": 2}
    assert [row["topic"] for row in await console.get("outbox") if not row["is_set_aside"]] == ["missing"]
    assert audited == [("ada", "oms.outbox", '2 released: {"topic":"missing","reason":"it is refused"}')]
    console.log_in("viewer")
    assert (await console.post("outbox/releases", topic="", reason="it is refused")).status_code == 403
