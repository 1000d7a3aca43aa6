"""What operators do in the console, and what stands in the timeline afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from airflow.sdk.exceptions import AirflowFailException

from include.jobs.retrigger import approver
from include.oms.base import database
from include.oms.base.settings import settings
from include.oms.outside.systems import known_systems
from include.oms.slices.claim import claim_slices
from include.oms.testing.outside import FakeThunderhead, served
from include.oms.upkeep.deadlines import OpenState, check_deadlines
from include.oms.words.model import Job
from include.services.issuer.tokens import ensure_key_pair, make_token
from include.services.reference_data.app import create_app
from include.services.reference_data.settings import ReferenceDataSettings
from plugins.oms_console import outside, systems
from tests.integration.console.conftest import JSON, Console, work


async def test_a_selection_is_retriggered_with_a_result_each(console: Console) -> None:
    failed, done = console.request("FAILED"), console.request("COMPLETED")
    answer = await console.post("retriggers", request_ids=[failed, done, 999], reason="mended")
    assert [(row["request_id"], row["done"]) for row in answer.json()["results"]] == [
        (failed, True), (done, False), (999, False),
    ]  # fmt: skip
    assert console.timeline(failed) == [("RETRIGGERED", "airflow:ada")]
    assert console.timeline(done) == []


async def bulk(console: Console, action: str, **meant: Any) -> httpx.Response:
    """A bulk operation on what a filter chooses now, as the search asks for it."""
    counted = await count(console, action, **meant)
    return await console.post("bulk-operations", action=action, expected=counted["number"], reason="mended", **meant)


async def count(console: Console, action: str = "retrigger", **meant: Any) -> Any:
    """What the dialog shows before somebody confirms it."""
    return (await console.post("bulk-operations/counts", action=action, **meant)).json()


async def test_what_a_filter_chooses_is_counted_first_and_only_that_is_driven(console: Console) -> None:
    mine = [console.request("FAILED", document_name="POSHOOFF", stage="GENERATION") for _ in range(3)]
    for request_id in mine:
        console.error(request_id, "TIMEOUT_ERROR")
    other = console.request("FAILED")
    console.request("COMPLETED", document_name="POSHOOFF")
    counted = await count(console, filter={"document": "POSHOOFF"})
    assert counted["groups"] == [{"status": "FAILED", "stage": "GENERATION", "category": "TIMEOUT_ERROR", "number": 3}]

    asked = (await bulk(console, "retrigger", filter={"document": "POSHOOFF"})).json()
    await work(console)

    shown = await console.get(f"bulk-operations/{asked['operation_id']}")
    assert (shown["state"], shown["worked"], shown["done"], shown["actor"]) == ("DONE", 3, 3, "airflow:ada")
    assert shown["answers"] == [{"answer": "retriggered", "number": 3}]
    answers = (await console.get(f"bulk-operations/{asked['operation_id']}/answers"))["items"]
    assert {row["request"] for row in answers} == set(map(str, mine))
    exported = (await console.http.get(f"/api/bulk-operations/{asked['operation_id']}/answers.csv")).text
    assert len(exported.splitlines()) == 1 + 3
    assert console.timeline(other) == []


async def test_another_number_than_was_confirmed_does_nothing(console: Console) -> None:
    failed = console.request("FAILED")
    asked: dict[str, Any] = {"action": "retrigger", "filter": {"document": "IVZRECPA"}, "reason": "x"}
    assert (await console.post("bulk-operations", expected=2, **asked)).status_code == 409
    assert await console.get("bulk-operations") == {"items": [], "before": None}
    assert console.timeline(failed) == []


async def test_what_was_withdrawn_is_neither_counted_nor_driven(console: Console) -> None:
    withdrawn, stopped = console.request("STOPPED"), console.request("STOPPED")
    console.error(withdrawn, "CANCELLED", "withdrawn by its client")
    console.error(stopped, "STOPPED_AT_THUNDERHEAD")
    assert (await count(console, filter={"status": ["STOPPED"]}))["number"] == 1
    assert (await count(console, filter={"category": "CANCELLED"}))["number"] == 0
    assert (await count(console, filter={"withdrawn": True}))["number"] == 0
    assert (await console.get("dashboard"))["stock"]["needs_person"]["number"] == 1

    named = (await console.post("retriggers", request_ids=[withdrawn])).json()["results"]
    asked = (await bulk(console, "retrigger", filter={"status": ["STOPPED"]})).json()
    await work(console)

    assert named == [{"request_id": withdrawn, "done": False, "result": "left alone: withdrawn by its client; "
                      "for the document, the client hands in a new request"}]  # fmt: skip
    answers = await console.get(f"bulk-operations/{asked['operation_id']}/answers")
    assert [row["request"] for row in answers["items"]] == [str(stopped)]
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
    asked = (await bulk(console, "retrigger", filter={"status": several})).json()
    await work(console)
    answers = await console.get(f"bulk-operations/{asked['operation_id']}/answers")
    assert {row["request"] for row in answers["items"]} == {str(failed), str(stopped)}


@pytest.mark.parametrize("door", ["retriggers", "retry-now", "cancellations"])
async def test_several_requests_need_a_reason(console: Console, door: str) -> None:
    ids = [console.request("FAILED"), console.request("FAILED")]
    answer = await console.post(door, request_ids=ids)
    assert (answer.status_code, "say why" in answer.text) == (422, True)
    assert console.timeline(ids[0]) == []


async def test_a_filter_for_healthy_requests_drives_nothing(console: Console) -> None:
    console.request("FAILED")
    assert (await count(console, filter={"status": ["COMPLETED"]}))["number"] == 0
    assert (await bulk(console, "retrigger", filter={"status": ["COMPLETED"]})).status_code == 422


async def test_what_waits_for_its_back_off_is_due_now(console: Console) -> None:
    waiting = console.request(due_at="2100-01-01T00:00:00Z")
    wished = console.request(due_at="2100-01-01T00:00:00Z", not_before="2100-01-01T00:00:00Z")
    answer = await console.post("retry-now", request_ids=[waiting, wished], reason="x")
    assert [row["done"] for row in answer.json()["results"]] == [True, False]
    assert console.timeline(waiting) == [("DUE_NOW", "airflow:ada")]


async def test_a_queued_request_is_cancelled_with_its_event(console: Console) -> None:
    queued, held = console.request(), console.request("FAILED")
    answer = await console.post("cancellations", request_ids=[queued, held], reason="x")
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
    async with served(FakeThunderhead().app()) as url:
        monkeypatch.setenv("AIRFLOW_CONN_THUNDERHEAD_API", url)
        answer = await console.post(f"requests/{mine}/looks", what="pdf")
    assert answer.content == b"%PDF-1.7 77 %%EOF"
    assert console.timeline(mine) == [("LOOKED_AT", "airflow:ada")]


async def settings_of(console: Console, document_type: str = "*") -> dict[str, Any]:
    """Thunderhead's settings for a document type."""
    rows = await console.get("systems")
    return next(row for row in rows if (row["system"], row["document_type"]) == ("THUNDERHEAD", document_type))


async def change(console: Console, document_type: str = "*", **changed: Any) -> httpx.Response:
    """A change of what is seen now."""
    seen = {"document_type": document_type, "version": (await settings_of(console, document_type))["version"]}
    return await console.http.patch("/api/systems/THUNDERHEAD", json=seen | changed, headers=JSON)


async def test_a_system_is_paused_limited_and_resumed(console: Console) -> None:
    assert (await change(console, paused=True, why="they asked us to")).status_code == 200
    assert (await change(console, most_in_flight=5)).status_code == 200
    shown = await settings_of(console)
    assert (shown["paused_by"], shown["paused_why"], shown["most_in_flight"]) == ("airflow:ada", "they asked us to", 5)
    await change(console, paused=False)
    shown = await settings_of(console)
    assert (shown["paused_at"], shown["most_in_flight"]) == (None, 5)
    await change(console, most_in_flight=None)
    assert (await settings_of(console))["most_in_flight"] is None
    assert [(action, reason) for _, action, _, reason in console.trail()] == [
        ("pause_system", "they asked us to"), ("limit_system", None), ("resume_system", None), ("limit_system", None),
    ]  # fmt: skip


async def test_a_stale_page_undoes_no_colleagues_pause(console: Console) -> None:
    seen = await settings_of(console)
    await change(console, paused=True, why="it prints nonsense")
    body = {"version": seen["version"], "most_in_flight": 9}
    answer = await console.http.patch("/api/systems/THUNDERHEAD", json=body, headers=JSON)
    assert answer.status_code == 409
    assert "now paused by airflow:ada (it prints nonsense); any number in flight" in answer.json()["title"]
    shown = await settings_of(console)
    assert (shown["paused_why"], shown["most_in_flight"]) == ("it prints nonsense", None)


async def test_a_document_type_gets_settings_of_its_own_and_loses_them(console: Console) -> None:
    await console.post("systems/THUNDERHEAD", document_type="INVOICE")
    await change(console, "INVOICE", paused=True, why="the template", most_per_second=0.5)
    invoice = await settings_of(console, "INVOICE")
    assert (invoice["paused_by"], invoice["most_per_second"]) == ("airflow:ada", 0.5)
    assert (await settings_of(console))["paused_at"] is None
    await console.post("systems/THUNDERHEAD", document_type="INVOICE")
    assert await settings_of(console, "INVOICE") == invoice
    query = f"document_type=INVOICE&version={invoice['version']}"
    answer = await console.http.request("DELETE", f"/api/systems/THUNDERHEAD?{query}", json={}, headers=JSON)
    assert [row["document_type"] for row in answer.json() if row["system"] == "THUNDERHEAD"] == ["*"]


async def test_the_jobs_obey_the_settings_of_a_document_type(console: Console) -> None:
    paused, limited = console.request(), [console.request(document_type="POLICY") for _ in range(3)]
    for document_type in ("INVOICE", "POLICY"):
        await console.post("systems/THUNDERHEAD", document_type=document_type)
    await change(console, "INVOICE", paused=True, why="the template")
    await change(console, "POLICY", most_in_flight=2)
    await claim(console, "first")
    assert [console.timeline(one) != [] for one in [paused, *limited]] == [False, True, True, False]
    await change(console, "INVOICE", paused=False)
    await claim(console, "second")
    assert console.timeline(paused) != []


async def claim(console: Console, run: str) -> None:
    """What document_processing claims now."""
    async with await database.connect(console.url, settings(), application_name="test") as connection:
        await claim_slices(connection, Job.PROCESSING, run, settings())


async def test_what_is_held_is_not_claimed_until_it_is_released_and_all_else_flows(console: Console) -> None:
    wrong, other = console.request(document_name="POSHOOFF"), console.request()
    answer = await console.post(
        "holds", filter={"document_name": "POSHOOFF", "source_system": "CIBT"}, reason="wrong letters"
    )
    (held,) = answer.json()
    assert (held["number"], held["held_by"], held["reason"]) == (1, "airflow:ada", "wrong letters")
    to_come = console.request(document_name="POSHOOFF")
    elsewhere = console.request(document_name="POSHOOFF", source_system="ARCADE")
    await claim(console, "first")
    assert [console.timeline(it) != [] for it in (wrong, to_come, other, elsewhere)] == [False, False, True, True]
    where = f"/api/holds/{held['hold_id']}"
    assert (await console.http.request("DELETE", where, json={}, headers=JSON)).status_code == 422, "without a reason"
    mended = {"reason": "the template is mended"}
    assert (await console.http.request("DELETE", where, json=mended, headers=JSON)).json() == []
    assert (await console.http.request("DELETE", where, json=mended, headers=JSON)).status_code == 404
    await claim(console, "second")
    assert [console.timeline(it) != [] for it in (wrong, to_come)] == [True, True]
    assert [entry[1:] for entry in console.trail()] == [
        ("hold", "source_system: CIBT; document_name: POSHOOFF", "wrong letters"),
        ("release", "source_system: CIBT; document_name: POSHOOFF", "the template is mended"),
    ]
    assert console.db.execute("SELECT number FROM operator_actions").fetchall() == [(1,), (2,)]


@pytest.mark.parametrize(
    "wanted", [{"document_name": "POSHOOFF"}, {"metadata": "CAMPAIGN:4711"}], ids=["name", "metadata"]
)
async def test_forty_thousand_wrong_letters_are_held_by_one_row_while_others_flow(
    console: Console, wanted: dict[str, str]
) -> None:
    console.db.execute(
        """INSERT INTO document_requests (source_system, request_correlation_id, content_hash, document_type,
               document_name, document_language, source_environment, client_subject)
           SELECT 'CIBT', 'L' || n, '', 'LETTER', 'POSHOOFF', 'EN', 'DEV', 'test' FROM generate_series(1, 40000) n"""
    )
    console.db.execute("INSERT INTO request_metadata SELECT request_id, 'CAMPAIGN', '4711' FROM document_requests")
    others = [console.request(source_system=it) for it in ("CIBT", "ARCADE")]
    (held,) = (await console.post("holds", filter=wanted, reason="wrong letters")).json()
    assert held["number"] == 40_000
    await claim(console, "first")
    assert all(console.timeline(it) for it in others)
    in_hand = "SELECT count(*) FROM document_requests WHERE status <> 'QUEUED' AND document_name = 'POSHOOFF'"
    assert console.db.execute(in_hand).fetchone() == (0,)
    assert (await console.get("dashboard"))["stock"]["held"]["number"] == 40_000


MATCHES: list[
    tuple[dict[str, Any], dict[str, Any], str]
] = [  # the filter, what differs in a request that matches, in words
    ({"metadata": "CAMPAIGN:47:11"}, {"metadata": {"CAMPAIGN": "47:11"}}, "metadata: CAMPAIGN:…"),
    ({"correlation_id": "L1"}, {"request_correlation_id": "L1"}, "correlation_id: L1"),
    ({"document": "POLICY"}, {"document_type": "POLICY"}, "document: POLICY"),
    ({"document": "POSHOOFF"}, {"document_name": "POSHOOFF"}, "document: POSHOOFF"),
    ({"stage": "SUBMISSION"}, {"stage": "SUBMISSION"}, "stage: SUBMISSION"),
    ({"retrying": True}, {"spent": 1}, "retrying: true"),
    ({"state": "retrying"}, {"spent": 1}, "retrying: true"),
    (
        {"created_from": "2020-01-01T00:00:00Z", "created_to": "2020-01-02T00:00:00Z"},
        {"created_at": "2020-01-01T12:00:00Z"},
        "created_from: 2020-01-01T00:00:00Z; created_to: 2020-01-02T00:00:00Z",
    ),
    ({"batch_name": "OMS-7-1"}, {"batch_name": "OMS-7-1"}, "batch_name: OMS-7-1"),
    ({"batch_id": 77}, {"thunderhead_batch_id": 77}, "batch_id: 77"),
    ({"category": "TIMEOUT_ERROR"}, {"category": "TIMEOUT_ERROR"}, "category: TIMEOUT_ERROR"),
    ({"error_text": "IBAN"}, {"description": "no iban"}, "error_text: …"),
    (
        {"source_system": "ARCADE", "document_name": "POSHOOFF", "stage": "SUBMISSION"},
        {"source_system": "ARCADE", "document_name": "POSHOOFF", "stage": "SUBMISSION"},
        "source_system: ARCADE; document_name: POSHOOFF; stage: SUBMISSION",
    ),
]


@pytest.mark.parametrize(("wanted", "differs", "words"), MATCHES, ids=[words for _, _, words in MATCHES])
async def test_what_any_filter_of_the_search_finds_is_held(
    console: Console, wanted: dict[str, Any], differs: dict[str, Any], words: str
) -> None:
    """Now and later, until it is released, and nothing else. Neither the trail nor a former hold has personal data."""

    def request(**differs: Any) -> int:
        batch = {name: differs.pop(name) for name in ("batch_name", "thunderhead_batch_id") if name in differs}
        error = {name: differs.pop(name) for name in ("category", "description") if name in differs}
        made = console.request(**differs)
        if error:
            console.error(made, **{"category": "PROCESSING_ERROR"} | error)
        if batch:
            console.batch(made, 1, "FAILED", **batch)
        return made

    mine = request(**differs)
    other = request()
    (held,) = (await console.post("holds", filter=wanted, reason="wrong letters")).json()
    assert (held["number"], held["subject"]) == (1, words)
    is_of_one = wanted.keys() & {"correlation_id", "batch_name", "batch_id"}
    later = mine if is_of_one else request(**differs)
    await claim(console, "first")
    assert [console.timeline(it) != [] for it in (mine, later, other)] == [False, False, True]
    found = (await console.get("requests", hold_id=held["hold_id"]))["items"]
    assert {row["request_id"] for row in found} == {mine, later}
    stock = (await console.get("dashboard"))["stock"]
    assert [stock[state]["number"] for state in ("due", "held")] == [0, len({mine, later})]
    await console.http.request("DELETE", f"/api/holds/{held['hold_id']}", json={"reason": "mended"}, headers=JSON)
    await claim(console, "second")
    assert [console.timeline(it) != [] for it in (mine, later)] == [True, True]
    kept = console.db.execute("SELECT conditions::text FROM request_holds").fetchall()
    trail = console.db.execute("SELECT before::text, after::text, subject FROM operator_actions").fetchall()
    assert "47:11" not in f"{kept}{trail}"
    assert "IBAN" not in f"{kept}{trail}"


async def test_a_hold_ends_by_itself_at_its_time(console: Console) -> None:
    mine = console.request()
    await console.post(
        "holds", filter={"document_type": "INVOICE"}, reason="until the morning", until="2100-01-01T00:00:00Z"
    )
    await claim(console, "first")
    assert console.timeline(mine) == []
    console.db.execute("UPDATE request_holds SET until = now() - interval '1 second'")
    assert await console.get("holds") == []
    await claim(console, "second")
    assert console.timeline(mine) != []


async def test_what_is_held_is_neither_due_nor_late_and_is_withdrawn_by_its_filter(console: Console) -> None:
    old = {"created_at": "2020-01-01T00:00:00Z", "due_at": "2020-01-01T00:00:00Z"}
    wrong = [console.request(document_name="POSHOOFF", **old) for _ in range(3)]
    due = console.request()
    await console.post("holds", filter={"document_name": "POSHOOFF"}, reason="wrong letters")
    stock = (await console.get("dashboard"))["stock"]
    assert [stock[state]["number"] for state in ("due", "held", "waiting")] == [1, 3, 0]
    assert [row["request_id"] for row in (await console.get("requests", state="due"))["items"]] == [due]
    async with await database.connect(console.url, settings(), application_name="test") as connection:
        checks = {check.state: check.number for check in await check_deadlines(connection, settings())}
    assert (checks[OpenState.QUEUED], checks[OpenState.PAUSED]) == (0, 0)
    await bulk(console, "withdraw", filter={"document_name": "POSHOOFF", "state": "held"})
    await work(console)
    assert {console.timeline(it)[-1] for it in wrong} == {("STOPPED", "airflow:ada")}
    assert console.timeline(due) == []


async def test_a_hold_that_somebody_forgot_is_late(console: Console) -> None:
    await console.post("holds", filter={"document_type": "INVOICE"}, reason="wrong letters")
    await console.post(
        "holds", filter={"document_type": "POLICY"}, reason="until the morning", until="2100-01-01T00:00:00Z"
    )
    console.db.execute("UPDATE request_holds SET held_at = now() - interval '1 year'")
    async with await database.connect(console.url, settings(), application_name="test") as connection:
        (late,) = [it for it in await check_deadlines(connection, settings()) if it.number]
    assert (late.state, late.number, late.oldest) == (OpenState.PAUSED, 1, "hold 1")


async def test_the_end_of_a_hold_and_of_a_pause_is_in_the_trail(console: Console) -> None:
    await console.post(
        "holds", filter={"source_system": "CIBT"}, reason="until the morning", until="2100-01-01T00:00:00Z"
    )
    await change(console, paused=True, why="they asked us to", until="2100-01-01T00:00:00Z")
    assert "until 2100-01-01" in systems.in_words(await settings_of(console))
    await claim(console, "first")
    assert (await settings_of(console))["paused_at"]
    console.db.execute("UPDATE request_holds SET until = now() - interval '1 second'")
    console.db.execute(
        "UPDATE outside_systems SET paused_until = now() - interval '1 second' WHERE paused_at IS NOT NULL"
    )
    mine = console.request()
    await claim(console, "second")
    assert console.timeline(mine) != []
    assert (await settings_of(console))["paused_at"] is None
    assert sorted(console.trail()[2:]) == [
        ("airflow:ada", "release", "source_system: CIBT", "its time is over"),
        ("airflow:ada", "resume_system", "THUNDERHEAD *", "its time is over"),
    ]


async def limit(console: Console, version: str | None, **most: Any) -> httpx.Response:
    """Limit CIBT, as somebody who has seen that version."""
    return await console.http.put("/api/source-system-limits/CIBT", json={"version": version, **most}, headers=JSON)


async def test_a_source_system_has_a_limit_of_its_own(console: Console) -> None:
    (seen,) = (await limit(console, None, most_in_flight=2)).json()
    late = await limit(console, None, most_in_flight=3)
    assert (late.status_code, late.json()["now"]) == (409, seen)
    assert "It is now 2 in flight, any number a second, by airflow:ada." in late.json()["title"]
    mine, others = [[console.request(source_system=it) for _ in range(4)] for it in ("CIBT", "ARCADE")]
    await claim(console, "first")
    assert sum(console.timeline(it) != [] for it in mine) == 2
    assert sum(console.timeline(it) != [] for it in others) == 4
    console.log_in("viewer")
    assert (await limit(console, seen["version"], most_in_flight=9)).status_code == 403
    console.log_in("op")
    assert (await limit(console, seen["version"])).json() == []
    assert (await limit(console, seen["version"])).status_code == 409
    assert [(action, subject) for _, action, subject, _ in console.trail()] == [("limit_source_system", "CIBT")] * 2


async def test_a_source_systems_rate_bounds_what_is_claimed_and_ends_at_its_time(console: Console) -> None:
    (seen,) = (await limit(console, None, most_per_second=0.01, until="2100-01-01T00:00:00Z")).json()
    assert (seen["most_in_flight"], seen["most_per_second"], seen["until"]) == (
        None,
        0.01,
        "2100-01-01T00:00:00.000000Z",
    )
    mine, others = [[console.request(source_system=it) for _ in range(3)] for it in ("CIBT", "ARCADE")]
    await claim(console, "first")
    assert sum(console.timeline(it) != [] for it in mine) == 1
    assert all(console.timeline(it) for it in others)
    console.db.execute("UPDATE source_system_limits SET until = now() - interval '1 second'")
    await claim(console, "second")
    assert await console.get("source-system-limits") == []
    assert console.trail()[-1] == ("airflow:ada", "limit_source_system", "CIBT", "its time is over")
    await claim(console, "third")
    assert all(console.timeline(it) for it in mine)


async def test_a_retrigger_gets_past_no_hold(console: Console) -> None:
    mine = console.request("FAILED")
    await console.post("holds", filter={"document_type": "INVOICE"}, reason="wrong letters")
    await console.post("retriggers", request_ids=[mine])
    async with await database.connect(console.url, settings(), application_name="test") as connection:
        values = {"slice_id": console.slice("document_processing", "run", 0), "lease_token": 1, "lease_seconds": 60}
        assert await database.execute(connection, "hold_requests", request_ids=[mine], **values) == 0


@pytest.mark.parametrize(
    "asked",
    [
        {"reason": "x"},
        {"filter": {"document_type": "INVOICE"}},
        {"filter": {"source_system": ""}, "reason": "x"},
        {"filter": {"status": ["QUEUED"], "state": "due"}, "reason": "x"},  # everything
        {"filter": {"document_type": "INVOICE", "status": ["FAILED"]}, "reason": "x"},  # nothing, ever
        {"filter": {"document_type": "INVOICE", "state": "needs_person"}, "reason": "x"},
        {"filter": {"document_type": "INVOICE", "ended_from": "2026-01-01T00:00:00Z"}, "reason": "x"},
    ],
)
async def test_a_hold_names_what_it_holds_and_why(console: Console, asked: dict[str, Any]) -> None:
    assert (await console.post("holds", **asked)).status_code == 422
    console.log_in("viewer")
    assert (await console.post("holds", filter={"document_type": "INVOICE"}, reason="x")).status_code == 403


DOORS = ["retriggers", "resolutions", "reopenings", "retry-now", "cancellations", "publications"]


async def test_many_at_once_need_a_second_person_through_every_door(console: Console) -> None:
    ids = [console.request("FAILED") for _ in range(settings().bulk_approval_above + 1)]
    for door in DOORS:
        answer = await console.post(door, request_ids=ids, reason="mended")
        assert (answer.status_code, "second person" in answer.text) == (403, True), door
    asked = [(await bulk(console, "retrigger", **meant)).json() for meant in (
        {"request_ids": ids}, {"filter": {"status": ["FAILED"]}})]  # fmt: skip
    assert {(it["state"], it["actor"], it["counted"]) for it in asked} == {("WAITING", "airflow:ada", len(ids))}
    await work(console)
    assert console.timeline(ids[0]) == []
    assert (await console.post("retriggers", request_ids=ids[:-1], reason="mended")).status_code == 200


async def test_who_asked_for_an_operation_does_not_approve_it(console: Console) -> None:
    ids = [console.request("FAILED") for _ in range(settings().bulk_approval_above + 1)]
    asked = (await bulk(console, "resolve", request_ids=ids)).json()
    decisions = f"bulk-operations/{asked['operation_id']}/decisions"
    answer = await console.post(decisions, approve=True)
    assert (answer.status_code, "second person" in answer.text) == (403, True)
    console.log_in("viewer")
    assert (await console.post(decisions, approve=True)).status_code == 403
    console.log_in("op", "bob")
    assert (await console.post(decisions, approve=True)).json()["decided_by"] == "airflow:bob"
    assert (await console.post(decisions, approve=True)).status_code == 409
    await work(console)
    assert {console.timeline(it)[0] for it in ids} == {("RESOLVED", "airflow:ada")}
    assert [(who, action) for who, action, _, _ in console.trail()] == [
        ("airflow:ada", "resolve"), ("airflow:bob", "approve_operation"), ("airflow:ada", "end_operation"),
    ]  # fmt: skip


async def test_an_operation_is_paused_resumed_and_stopped(console: Console) -> None:
    console.request("FAILED")
    asked = (await bulk(console, "retrigger", filter={})).json()
    changes = f"bulk-operations/{asked['operation_id']}/changes"
    said = [(await console.post(changes, change=it)).json()["state"] for it in ("pause", "resume", "stop")]
    assert said == ["PAUSED", "RUNNING", "STOPPED"]
    assert (await console.post(changes, change="resume")).status_code == 409
    assert (await console.post("bulk-operations/999/changes", change="stop")).status_code == 404
    assert (await console.post("bulk-operations/999/decisions", approve=True)).status_code == 404
    assert (await console.http.get("/api/bulk-operations/999")).status_code == 404


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"action": "delete", "filter": {}},
        {"action": "resolve"},
        {"action": "resolve", "filter": {}, "request_ids": [1]},
        {"action": "resolve", "filter": {}, "reason": ""},
        {"action": "resolve", "filter": {}, "per_second": 0},
        {"action": "resolve", "filter": {"nothing": 1}},
    ],
    ids=str,
)
async def test_an_operation_says_what_to_which_and_why(console: Console, asked: dict[str, Any]) -> None:
    console.request("FAILED")
    answer = await console.post("bulk-operations", **{"expected": 1, "reason": "x"} | asked)
    assert answer.status_code == 422


async def test_a_final_event_is_published_again_with_its_id(console: Console) -> None:
    mine = console.request("COMPLETED")
    console.db.execute(
        """INSERT INTO final_events (request_id, revision, event_id, event, published_at)
           VALUES (%s, 1, gen_random_uuid(), '{}', now())""",
        [mine],
    )
    answer = await console.post("publications", request_ids=[mine])
    assert answer.json()["results"] == [{"request_id": mine, "done": True, "result": "published again"}]
    assert (await console.get("dashboard"))["stock"]["unpublished"]["number"] == 1
    assert console.timeline(mine) == [("PUBLISHED_AGAIN", "airflow:ada")]
    again = await console.post("publications", request_ids=[mine])
    assert again.json()["results"][0]["done"] is False


@pytest.mark.parametrize(
    ("approval", "asked_by", "approved_by"),
    [(None, "ada", None), ({"responded_by_user": {"id": "1", "name": "bob"}}, "ada", "bob")],
)
def test_somebody_else_approves(approval: Any, asked_by: str, approved_by: str | None) -> None:
    assert approver(approval, asked_by) == approved_by


@pytest.mark.parametrize("user", [{"id": "1", "name": "ada"}, None])
def test_who_asked_does_not_approve(user: Any) -> None:
    with pytest.raises(AirflowFailException, match="a second person has to"):
        approver({"responded_by_user": user}, "ada")


async def test_what_is_resolved_needs_nobody_and_can_be_reopened(console: Console) -> None:
    ids = [console.request("FAILED") for _ in range(3)]
    slice_id = console.slice("document_processing", "run", 0, *ids)
    console.db.execute("UPDATE document_requests SET slice_id = %s", [slice_id])
    assert (await console.post("resolutions", request_ids=ids[:1])).status_code == 422
    answer = await console.post("resolutions", request_ids=ids[:1], reason="sent by hand")
    assert [row["result"] for row in answer.json()["results"]] == ["resolved"]
    assert (await console.get("dashboard"))["stock"]["needs_person"]["number"] == 2
    assert [row["request_id"] for row in (await console.get("requests", state="resolved"))["items"]] == ids[:1]
    assert (await console.get("slices", dag_id="document_processing", run_id="run"))["to_clear"] == 2
    shown = await console.get(f"requests/{ids[0]}")
    assert (shown["status"], shown["timeline"][-1]["event"]) == ("FAILED", "RESOLVED")

    await bulk(console, "resolve", filter={"document": "IVZRECPA"})
    await work(console)
    assert (await count(console, filter={}))["number"] == 0
    await console.post("reopenings", request_ids=ids[:2], reason="not sent after all")
    assert (await count(console, filter={}))["number"] == 2
    await console.post("retriggers", request_ids=ids[2:])
    (row,) = (await console.get("requests", request_id=ids[2]))["items"]
    assert (row["status"], row["resolved_at"]) == ("QUEUED", None)
    assert [(action, reason) for _, action, _, reason in console.trail()] == [
        ("resolve", "sent by hand"), ("resolve", "mended"), ("end_operation", "mended"),
        ("reopen", "not sent after all"), ("retrigger", None),
    ]  # fmt: skip


V = "0" * 32


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("DELETE", f"THUNDERHEAD?document_type=*&version={V}", {}, 409),
        ("DELETE", f"THUNDERHEAD?document_type=NONE&version={V}", {}, 404),
        ("POST", "NONE", {"document_type": "INVOICE"}, 422),
        ("POST", "KAFKA", {"document_type": "INVOICE"}, 422),
        ("PATCH", "NONE", {"version": V, "paused": False}, 404),
        ("PATCH", "KAFKA", {"version": V, "most_in_flight": 1}, 422),
        ("PATCH", "THUNDERHEAD", {"version": V, "paused": True}, 422),
        ("PATCH", "THUNDERHEAD", {"paused": False}, 422),
        ("POST", "THUNDERHEAD", {"document_type": "a\x00b"}, 422),
    ],
)
async def test_a_setting_that_no_job_would_obey_is_refused(
    console: Console, method: str, path: str, body: dict[str, Any], status: int
) -> None:
    answer = await console.http.request(method, f"/api/systems/{path}", json=body, headers=JSON)
    assert answer.status_code == status
    assert {row["system"] for row in await console.get("systems")} == set(known_systems())


@pytest.fixture
async def reference_api(
    console: Console, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[list[tuple[str, str]]]:
    """The Reference Data API itself, on the test's database; the calls that it has had."""
    private_key, public_key = ensure_key_pair(tmp_path)
    token = make_token(private_key, source_system="OMS", scopes=["reference-data:write"])
    headers = {"Authorization": f"Bearer {token}"}
    monkeypatch.setattr(outside, "base_url_and_headers", lambda _conn_id: ("http://reference", headers))
    calls: list[tuple[str, str]] = []

    async def note(request: httpx.Request) -> None:
        calls.append((request.method, request.url.path.removeprefix("/v1/")))

    app = create_app(ReferenceDataSettings(database_url=console.url, jwt_public_key_file=public_key))
    transport, real = httpx.ASGITransport(app=app), httpx.AsyncClient
    monkeypatch.setattr(httpx, "AsyncClient", lambda **_: real(transport=transport, event_hooks={"request": [note]}))
    service = app._app  # type: ignore[attr-defined]  # inside its limit of bodies
    async with service.router.lifespan_context(service):
        yield calls


CONFIGURATIONS = "reference/document-configurations"
ROW = {"footerId": "0", "appDocSpec": "IV", "code": "BATCH_CONFIG_ID", "value": "1201"}


async def put(console: Console, row: dict[str, Any], **changed: Any) -> httpx.Response:
    """A change of a row that was seen so."""
    body = {"row": {name: value for name, value in row.items() if name != "id"} | changed, "seen": row}
    return await console.http.put(f"/api/{CONFIGURATIONS}/{row['id']}", json=body, headers=JSON)


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("user", 403), ("op", 201)])
async def test_reference_data_is_edited_only_by_those_who_may(
    console: Console, reference_api: list[tuple[str, str]], role: str, status: int
) -> None:
    console.log_in(role)
    shown = await console.get(CONFIGURATIONS)
    answer = await console.post(CONFIGURATIONS, **ROW)
    assert answer.status_code == status
    body = {"seen": shown[0]}
    ended = await console.http.request("DELETE", f"/api/{CONFIGURATIONS}/{shown[0]['id']}", json=body, headers=JSON)
    assert ended.status_code == {201: 204}.get(status, status)
    assert {method for method, _ in reference_api} == ({"GET"} if status == 403 else {"GET", "POST", "DELETE"})


@pytest.mark.parametrize(
    "wrong", [{"code": "BATCH_CONFIG_IDX"}, {"value": "not-a-number"}, {"footerId": "99"}, {"appDocSpec": "NONE"},
              {"code": "TOPIC_NAME", "value": "a topic"}], ids=str,
)  # fmt: skip
async def test_a_configuration_is_checked_before_it_is_kept(
    console: Console, reference_api: list[tuple[str, str]], wrong: dict[str, str]
) -> None:
    answer = await console.post(CONFIGURATIONS, **ROW | wrong)
    assert answer.status_code == 422, answer.text
    assert ("POST", "document-configurations") not in reference_api


async def test_a_row_that_somebody_else_has_changed_is_not_overwritten(
    console: Console, reference_api: list[tuple[str, str]]
) -> None:
    seen = (await console.post(CONFIGURATIONS, **ROW)).json()
    assert (await put(console, seen, value="1300")).status_code == 200
    late = await put(console, seen, value="1400")
    assert late.status_code == 409
    assert "value 1300" in late.json()["title"]
    ended = await console.http.request(
        "DELETE", f"/api/{CONFIGURATIONS}/{seen['id']}", json={"seen": seen}, headers=JSON
    )
    assert ended.status_code == 409
    assert (await console.get(f"{CONFIGURATIONS}/{seen['id']}"))["value"] == "1300"


async def test_a_configuration_keeps_its_history(console: Console, reference_api: list[tuple[str, str]]) -> None:
    seen = (await console.post(CONFIGURATIONS, **ROW)).json()
    await put(console, seen, value="1300")
    console.db.execute("UPDATE document_configurations SET value = '1400' WHERE id = %s", [seen["id"]])
    third, second, first = await console.get(f"{CONFIGURATIONS}/{seen['id']}/history")
    assert (first["before"], first["after"]["value"], second["before"]["value"]) == (None, "1201", "1201")
    assert (second["after"]["value"], third["after"]["value"]) == ("1300", "1400")
    assert (bool(first["changed_by"]), third["changed_by"]) == (True, None)
    for statement in ("DELETE FROM reference_data_history", "UPDATE reference_data_history SET changed_by = 'x'"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="only grows"):
            console.db.execute(statement)


async def test_a_schema_is_edited_as_it_was_seen_and_keeps_its_history(
    console: Console, reference_api: list[tuple[str, str]]
) -> None:
    path, row = (
        "reference/document-schemas",
        {"documentName": "POSHOOFF", "mode": "warn", "schema": {"required": ["a"]}},
    )
    assert (await console.post(path, **row | {"documentName": "NONE"})).status_code == 422
    bad = await console.post(path, **row | {"schema": {"items": {"pattern": "(?=a)"}}})
    assert (bad.status_code, bad.json()["errors"][0]["pointer"]) == (422, "/schema/items/pattern")
    seen = (await console.post(path, **row)).json()
    assert [(it["documentName"], it["sizeBytes"]) for it in await console.get(path)] == [("POSHOOFF", 18)]
    assert await console.get(f"{path}/{seen['id']}") == seen

    async def put(**changed: Any) -> httpx.Response:
        body = {"row": {name: value for name, value in seen.items() if name != "id"} | changed, "seen": seen}
        return await console.http.put(f"/api/{path}/{seen['id']}", json=body, headers=JSON)

    assert (await put(mode="refuse")).status_code == 200
    late = await put(schema={})
    assert (late.status_code, "mode refuse" in late.json()["title"], "required" in late.json()["title"]) == (
        409,
        True,
        False,
    )
    second, first = await console.get(f"{path}/{seen['id']}/history")
    assert (first["before"], second["before"]["mode"], second["after"]["mode"]) == (None, "warn", "refuse")
    assert [entry[1] for entry in console.trail()] == ["add_reference_row", "change_reference_row"]


async def test_quotas_are_edited_and_the_dashboard_shows_their_use(
    console: Console, reference_api: list[tuple[str, str]]
) -> None:
    path = "reference/source-system-quotas"
    row = {"sourceSystem": "CIBT", "mostOpenRequests": 10, "mostRequestsAnHour": 20, "mostBytesAnHour": 3000}
    assert (await console.post(path, **row | {"sourceSystem": "NONE"})).status_code == 422
    assert (await console.post(path, **row | {"mostOpenRequests": 0})).status_code == 422
    seen = (await console.post(path, **row)).json()
    assert await console.get(path) == [seen]
    for source_system, hours in (("CIBT", 0), ("ARCADE", 2)):
        console.db.execute(
            "INSERT INTO source_system_usage (source_system, hour, requests, bytes, open_requests)"
            " VALUES (%s, date_trunc('hour', now()) - %s * interval '1 hour', 18, 100, 5)",
            [source_system, hours],
        )
    console.request()
    shown = (await console.get("dashboard"))["quotas"]
    assert [
        (it["source_system"], it["requests"], it["most_requests_an_hour"], it["open_requests"]) for it in shown
    ] == [
        ("CIBT", 18, 20, 1),  # what is open is counted now
        ("ARCADE", 0, 5_000_000, 0),
    ]


async def test_a_path_leads_to_nothing_else_at_the_reference_data_api(
    console: Console, reference_api: list[tuple[str, str]]
) -> None:
    for path in ("reference/healthz", "reference/reference-data?type=../../x", "reference/reference-data?type=a%2Fb"):
        assert (await console.http.get(f"/api/{path}")).status_code == 422
    assert reference_api == []


async def test_what_is_set_aside_is_shown_with_its_reason_and_goes_out_again_once_released(console: Console) -> None:
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
    assert console.trail() == [("airflow:ada", "publish_set_aside", "events of missing", None)]
    console.log_in("viewer")
    assert (await console.post("outbox/releases", topic="", reason="it is refused")).status_code == 403
