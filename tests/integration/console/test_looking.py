"""What the console shows: slices, search, one request, the dashboard."""

from __future__ import annotations

import csv
import io
import re
from enum import StrEnum
from typing import Any

import pytest

from include.oms.base import database
from include.oms.base.settings import settings
from include.oms.ending.retrigger import retrigger_slice
from include.oms.operators.selection import Order, State
from include.oms.upkeep.discrepancies import Kind
from include.oms.words.model import Category, Stage, Status
from plugins.oms_console import requests
from plugins.oms_console.app import STATIC
from plugins.oms_console.sheets import harmless
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
    assert (shown["requests"][0]["category"], shown["requests"][0]["description"]) == ("VALIDATION_ERROR", None)
    assert [row["group"] for row in shown["requests"]] == ["clear", "other"]
    assert [group["number"] for group in shown["clearing"]] == [shown["to_clear"]] == [1]


async def test_the_tab_of_any_job_that_works_slices_shows_its_requests(console: Console) -> None:
    done, refused = console.request("COMPLETED"), console.request("COMPLETED")
    slice_id = console.slice("some_job", "run", 0)
    for request_id, text in ((done, None), (refused, "422: no")):
        console.db.execute(
            "INSERT INTO job_items (request_id, slice_id, refused_why, job) VALUES (%s, %s, %s, 'some_job')",
            [request_id, slice_id, text],
        )
    shown = await console.get("slices", dag_id="some_job", run_id="run", task_id="act", map_index=0)
    assert {row["request_id"]: row["group"] for row in shown["requests"]} == {done: "other", refused: "clear"}
    assert (shown["to_clear"], shown["clearing"]) == (1, [{"stage": "REFUSED", "number": 1}])


async def test_a_tab_counts_exactly_what_a_clear_drives(console: Console) -> None:
    """Not what was withdrawn, and not what ended in another slice; the log of the cleared task has the same number."""
    mine, withdrawn, elsewhere = (console.request("FAILED" if n != 1 else "STOPPED") for n in range(3))
    console.error(withdrawn, "CANCELLED")
    slice_id = console.slice("document_processing", "run", 0, mine, withdrawn, elsewhere)
    other = console.slice("document_processing", "later", 0, elsewhere)
    for request_id, its in ((mine, slice_id), (withdrawn, slice_id), (elsewhere, other)):
        console.db.execute("UPDATE document_requests SET slice_id = %s WHERE request_id = %s", [its, request_id])
    shown = await console.get("slices", dag_id="document_processing", run_id="run")
    assert {row["request_id"]: row["group"] for row in shown["requests"]} == {
        mine: "clear", withdrawn: "elsewhere", elsewhere: "elsewhere",
    }  # fmt: skip
    assert (shown["to_clear"], shown["slices_to_clear"], shown["elsewhere"]) == (1, 1, 2)
    by_id = {row["request_id"]: row for row in shown["requests"]}
    assert by_id[elsewhere]["dag_run_id"] == "later"
    async with await database.connect(console.url, settings(), application_name="test") as connection:
        assert await retrigger_slice(connection, slice_id, actor="test") == [mine]


STATES = {
    "due": {}, "waiting": {"due_at": "2100-01-01T00:00:00Z"}, "retrying": {"spent": 1},
    "in_hand": {"status": "PROCESSING", "lease_token": 1, "lease_until": "2100-01-01T00:00:00Z"},
    "at_thunderhead": {"status": "PROCESSING"}, "needs_person": {"status": "FAILED"},
    "unpublished": {"status": "COMPLETED"}, "set_aside": {"status": "COMPLETED"},
}  # fmt: skip


@pytest.mark.parametrize("state", STATES)
async def test_each_figure_of_the_dashboard_opens_exactly_what_it_counts(console: Console, state: str) -> None:
    slice_id = console.slice("document_processing", "run", 0)
    for one, columns in STATES.items():
        held = {"slice_id": slice_id} if one == "in_hand" else {}
        request_id = console.request(**{"status": "QUEUED", **columns, **held})
        if one == "at_thunderhead":
            console.db.execute(
                "INSERT INTO thunderhead_batches (request_id, attempt, batch_name, batch_config_id, status,"
                " thunderhead_batch_id, next_poll_at, submitted_at)"
                " VALUES (%s, 1, 'b', '1', 'PROCESSING_THUNDERHEAD', 7, now(), now())",
                [request_id],
            )
        if one in ("unpublished", "set_aside"):
            aside = ("now()", "'too large'") if one == "set_aside" else ("NULL", "NULL")
            console.db.execute(
                "INSERT INTO final_events (request_id, revision, event_id, event, set_aside_at, set_aside_reason)"
                f" VALUES (%s, 1, gen_random_uuid(), '{{}}', {', '.join(aside)})",
                [request_id],
            )
    stock = (await console.get("dashboard"))["stock"][state]
    found = (await console.get("requests", state=state))["items"]
    assert len(found) == stock["number"] > 0
    assert (await console.get("requests/total", state=state))["number"] == stock["number"]
    assert stock["oldest_at"].endswith("Z")


async def test_nothing_new_costs_next_to_nothing(console: Console) -> None:
    console.request("FAILED")
    first = await console.http.get("/api/dashboard")
    again = await console.http.get("/api/dashboard", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    console.request("FAILED")
    news = await console.http.get("/api/dashboard", headers={"If-None-Match": first.headers["etag"]})
    assert news.status_code == 200


async def test_scripts_are_kept_for_a_year_under_a_name_of_their_version(console: Console) -> None:
    page = (await console.http.get("/search")).text
    script = page.partition('<script src="')[2].partition('"')[0]
    answer = await console.http.get(script)
    assert "immutable" in answer.headers["cache-control"]
    assert (await console.http.get("/static/theme.js")).headers["cache-control"] == "no-cache"


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


async def test_a_request_shows_since_when_its_document_id_is_waited_for(console: Console) -> None:
    request_id = console.request("PROCESSING")
    console.db.execute(
        "INSERT INTO thunderhead_batches (request_id, attempt, batch_name, batch_config_id, status,"
        " thunderhead_batch_id, next_poll_at, document_id_missing_since)"
        " VALUES (%s, 1, 'b', '1', 'PROCESSING_THUNDERHEAD', 7, now(), '2026-01-01T00:00:00Z')",
        [request_id],
    )
    (batch,) = (await console.get(f"requests/{request_id}"))["batches"]
    assert batch["document_id_missing_since"].startswith("2026-01-01T00:00:00")


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
    {"category": "OVERDUE"}, {"stage": "MONITORING"}, {"source_system": "ARCADE"},
    {"created_to": "2020-01-01T00:00:00Z"}, {"retrying": "true"},
]  # fmt: skip


@pytest.mark.parametrize("wanted", FOUND_BY, ids=str)
async def test_each_filter_finds_exactly_what_it_says(console: Console, wanted: dict[str, Any]) -> None:
    console.error(console.request("FAILED", metadata={"POLICY_NUMBER": "P"}, spent=1), "VALIDATION_ERROR")
    if "retrying" in wanted:
        mine = console.request(spent=2)
    else:
        mine = console.request(
            "STOPPED", {"POLICY_NUMBER": "P:1"}, request_correlation_id="mine", document_name="POSHOOFF",
            document_type="POLICY", created_at="2019-01-01T00:00:00Z", stage="MONITORING", source_system="ARCADE",
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


@pytest.mark.parametrize("order", Order)
async def test_pages_follow_each_other_without_gap_or_double(console: Console, order: Order) -> None:
    ids = [console.request("FAILED") for _ in range(120)]
    console.db.execute("UPDATE document_requests SET ended_at = now() - (request_id / 7) % 10 * interval '1 h'")
    wanted = {
        Order.NEWEST: ids[::-1],
        Order.OLDEST: ids,
        Order.ENDED: sorted(ids, key=lambda it: (it // 7 % 10, -it)),
    }
    seen, place = [], {}
    while place is not None:
        page = await console.get("requests", order=order, **place)
        seen += [row["request_id"] for row in page["items"]]
        place = page["next"]
    assert seen == wanted[order]
    open_one = console.request()
    found = await console.get("requests", order=order, request_id=open_one)
    assert bool(found["items"]) == (order is not Order.ENDED)


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
    assert console.trail() == [("airflow:ada", "export", "metadata: POLICY_NUMBER:…; status: FAILED, STOPPED", None)]


async def test_an_export_is_no_formula(console: Console) -> None:
    mine = console.request("FAILED", request_correlation_id="=1+1")
    console.error(mine, "CONFIGURATION_ERROR", "@SUM(A1)")
    rows = list(csv.DictReader(io.StringIO((await console.http.get("/api/requests.csv")).text.removeprefix("\ufeff"))))
    assert (rows[0]["request_correlation_id"], rows[0]["description"]) == ("'=1+1", "'@SUM(A1)")


@pytest.mark.parametrize(
    "text", ["=1", " =1", "\u00a0+1", "\uff1d1", "\uff20A", "\t-1", "a;=1", "a, +1", '"=1', "\n@A", "\tA"]
)
def test_a_cell_that_a_spreadsheet_could_take_for_a_formula_is_marked(text: str) -> None:
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("value", ["a=1", "x-y", "me@home", "2026-11-27", "", None, 7])
def test_every_other_cell_stays_as_it_is(value: Any) -> None:
    assert harmless(value) == value


async def test_an_export_holds_all_rows_and_opens_as_utf_8(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "EXPORT_PAGE", 2)
    ids = [console.request(document_name="Österreich") for _ in range(5)]
    answer = await console.http.get("/api/requests.csv")
    assert answer.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [int(row["request_id"]) for row in rows] == ids[::-1]
    assert rows[0]["document_name"] == "Österreich"


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
    assert {state: row["number"] for state, row in shown["stock"].items() if row["number"]} == {
        "due": 1, "waiting": 1, "needs_person": 1, "retrying": 1,
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


@pytest.mark.parametrize("enum", [Category, Status, Stage, State, Kind, Order])
def test_the_pages_know_every_word(enum: type[StrEnum]) -> None:
    words = "".join((STATIC / f"{name}.js").read_text("utf-8") for name in ("words", "search", "reconciliations"))
    assert [word for word in enum if not re.search(rf"\b{word}\b", words)] == []


IBAN = "the account DE89370400440532013000 of Ada is unknown"


@pytest.mark.parametrize("role", ["viewer", "op"])
async def test_a_text_from_outside_is_on_no_page_and_in_no_export(console: Console, role: str) -> None:
    mine = console.request("FAILED")
    console.error(mine, "VALIDATION_ERROR", IBAN)
    console.db.execute(
        """INSERT INTO request_timeline (request_id, event, actor, detail)
           VALUES (%s, 'FAILED', 'x', jsonb_build_object('description', %s::text, 'origin_user', 'Ada'))""",
        [mine, IBAN],
    )
    console.slice("document_processing", "run", 0, mine)
    console.log_in(role)
    pages = [
        "requests", f"requests/{mine}", "requests.csv", "dashboard", "retrying", "failures",
        "slices?dag_id=document_processing&run_id=run",
    ]  # fmt: skip
    for page in pages:
        answer = await console.http.get(f"/api/{page}")
        assert answer.status_code == 200
        assert "DE89" not in answer.text, page
        assert "Ada" not in answer.text or (role, page) == ("op", "failures"), page


async def test_a_text_from_outside_is_shown_on_an_audited_look(console: Console) -> None:
    mine = console.request("FAILED")
    console.error(mine, "VALIDATION_ERROR", IBAN)
    answer = await console.post(f"requests/{mine}/looks", what="errors")
    assert answer.json()[0]["description"] == IBAN
    assert console.timeline(mine) == [("LOOKED_AT", "airflow:ada")]
    assert console.trail() == [("airflow:ada", "look", "errors", None)]


async def test_a_look_at_one_attempt_shows_its_xml(console: Console) -> None:
    mine = console.request("FAILED")
    console.batch(mine, 1, "FAILED", xml="<first/>")
    console.batch(mine, 2, "FAILED", xml="<second/>")
    for attempt, text in ((1, "<first/>"), (2, "<second/>"), (None, "<second/>")):
        more = {"attempt": attempt} if attempt else {}
        assert (await console.post(f"requests/{mine}/looks", what="xml", **more)).text == text
    assert [subject for _, _, subject, _ in console.trail()] == ["xml of attempt 1", "xml of attempt 2", "xml"]
    assert (await console.post(f"requests/{mine}/looks", what="xml", attempt=3)).status_code == 404
    assert (await console.post(f"requests/{mine}/looks", what="json", attempt=1)).status_code == 422
    assert len(console.timeline(mine)) == 3


async def test_reconciliations_are_listed_and_a_day_tells_what_does_not_add_up(console: Console) -> None:
    wrong = {"kind": "ORPHAN", "request_id": 7, "batch_name": "OMS-7-1", "detail": "not known here"}
    console.reconciliation("2026-11-25", requests_in=3, ends=3, events=3)
    console.reconciliation("2026-11-26", wrong, requests_in=5, ORPHAN=101)
    console.log_in("viewer")
    days = await console.get("reconciliations")
    assert [(row["day"], row["adds_up"]) for row in days] == [("2026-11-26", False), ("2026-11-25", True)]
    shown = await console.get("reconciliations/2026-11-26")
    assert (shown["kinds"], shown["discrepancies"]) == ({"ORPHAN": 101}, [wrong])
    assert (shown["window_from"][:16], shown["counts"]["requests_in"]) == ("2026-11-26T00:00", 5)
    assert (await console.http.get("/api/reconciliations/2026-11-24")).status_code == 404
    assert (await console.http.get("/api/reconciliations/yesterday")).status_code == 422


async def test_failures_are_groups_by_cause_document_and_client(console: Console) -> None:
    mine = [console.request("FAILED") for _ in range(3)]
    for n, request_id in enumerate(mine):
        console.error(request_id, "VALIDATION_ERROR", f"policy {4711 + n} of 'Ada {n}' has no date")
    other = console.request("FAILED", source_system="ARCADE")
    console.error(other, "VALIDATION_ERROR", "policy 1 of 'Bob' has no date")
    console.request("COMPLETED")
    first, second = await console.get("failures")
    assert (first["number"], first["text"], first["source_system"]) == (3, 'policy # of "…" has no date', "CIBT")
    assert (second["number"], second["cause"], second["source_system"]) == (1, first["cause"], "ARCADE")
    group = {"cause": first["cause"], "source_system": "CIBT"}
    assert [row["request_id"] for row in (await console.get("requests", **group))["items"]] == mine[::-1]
    counted = await console.post("bulk-operations/counts", action="resolve", filter=group)
    assert counted.json()["number"] == 3
    console.log_in("viewer")
    assert [row["text"] for row in await console.get("failures")] == [None, None]
    assert [action for _, action, _, _ in console.trail()] == ["look_at_failures"]


async def test_a_part_of_an_errors_text_is_searched_for_by_those_who_may_see_it(console: Console) -> None:
    mine, other = console.request("FAILED"), console.request("FAILED")
    console.error(mine, "VALIDATION_ERROR", "no such Tariff")
    console.error(other, "VALIDATION_ERROR", "no such policy")
    found = await console.get("requests", error_text="TARIFF")
    assert [row["request_id"] for row in found["items"]] == [mine]
    assert console.trail() == [("airflow:ada", "search_by_error_text", "error_text: …", None)]
    console.log_in("viewer")
    assert (await console.http.get("/api/requests?error_text=tariff")).status_code == 403


async def test_the_one_box_knows_what_was_pasted(console: Console) -> None:
    mine = console.request(request_correlation_id="A-1", document_name="POSHOOFF")
    console.db.execute(
        "INSERT INTO thunderhead_batches (request_id, attempt, batch_name, batch_config_id, thunderhead_batch_id,"
        " status, unsure_since, submitted_at) VALUES (%s, 1, 'OMS-1-1', '1', 77, 'COMPLETED', NULL, now())",
        [mine],
    )
    wanted = {
        str(mine): ["request_id"], " A-1\n": ["correlation_id"], "OMS-1-1": ["batch_name"], "77": ["batch_id"],
        "CIBT": ["source_system"], "POSHOOFF": ["document_name"], "INVOICE": ["document_type"], "x": [], "9" * 30: [],
    }  # fmt: skip
    assert {text: (await console.get("find", q=text))["kinds"] for text in wanted} == wanted
    begins = {
        "A-": [("correlation_id", "A-1")], "OMS-1-": [("batch_name", "OMS-1-1")], "OMS-1": [("batch_name", "OMS-1-1")],
        "7": [("batch_id", "77")], "a-": [], "S-1": [], "A%": [], "0": [], "1" * 18: [],
    }  # fmt: skip
    for text, expected in begins.items():
        assert [(it["kind"], it["text"]) for it in (await console.get("find", q=text))["begins"]] == expected, text
    found = await console.get("requests", batch_name="OMS-1-1", created_to="2100-01-01T00:00:00Z")
    assert [row["request_id"] for row in found["items"]] == [mine]
    ended = await console.get("requests", ended_from="2000-01-01T00:00:00Z", ended_to="2100-01-01T00:00:00Z")
    assert ended["items"] == []


async def test_the_dashboard_has_throughput_and_failures_by_client_and_document(console: Console) -> None:
    for status in ("COMPLETED", "COMPLETED", "FAILED"):
        console.request(status)
    console.request("STOPPED", source_system="ARCADE")
    old = console.request("COMPLETED")
    console.db.execute("UPDATE document_requests SET ended_at = now() - interval '2 h' WHERE request_id = %s", [old])
    # what ends at this very moment counts with the next second
    console.db.execute("UPDATE document_requests SET ended_at = ended_at - interval '1 s'")
    assert (await console.get("dashboard", over="1h"))["clients"] == [
        {"source_system": "CIBT", "document_name": "IVZRECPA", "number": 3, "completed": 2, "failed": 1, "stopped": 0},
        {"source_system": "ARCADE", "document_name": "IVZRECPA", "number": 1, "completed": 0, "failed": 0,
         "stopped": 1},
    ]  # fmt: skip


def test_the_borders_of_inputs_are_seen() -> None:
    """3:1 at least (WCAG 1.4.11), which axe does not measure."""
    for theme in re.findall(r":root[.\w]* {(.*?)}", (STATIC / "console.css").read_text("utf-8"), re.DOTALL):
        colours = dict(re.findall(r"--([\w-]+): (#\w{6})", theme))
        for ground in ("bg", "panel"):
            assert contrast(colours["edge"], colours[ground]) >= 3, (theme, ground)


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, as WCAG 2 has it."""
    darker, lighter = sorted(map(luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    """Of #rrggbb."""
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


async def test_a_round_in_which_nothing_changed_is_small(console: Console) -> None:
    """Twelve calls a minute at most, and 2 KB each: a page that is looked at all day costs next to nothing."""
    ids = [console.request("FAILED") for _ in range(50)]
    for request_id in ids:
        console.error(request_id, "VALIDATION_ERROR")
    console.slice("document_processing", "run", 0, *ids)
    for page in (
        "dashboard", "requests", "failures", "retrying", "runs", "bulk-operations", "systems", "holds", "actions",
        "source-system-limits", "reconciliations", "slices?dag_id=document_processing&run_id=run",
    ):  # fmt: skip
        first = await console.http.get(f"/api/{page}")
        again = await console.http.get(f"/api/{page}", headers={"If-None-Match": first.headers["etag"]})
        heads = sum(len(name) + len(value) + 4 for name, value in again.headers.raw)
        assert (again.status_code, heads + len(again.content) < 2048) == (304, True), page
    script = (STATIC / "dashboard.js").read_text("utf-8")
    assert re.findall(r"keepFresh\(show, (\d+)\)", script) == ["5"], "one call every five seconds"
