"""Bulk operations: what a selection means, that counting and working mean the same, an answer for each request."""

from __future__ import annotations

import asyncio
from collections import Counter
from hashlib import md5
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.errors import QueryCanceled

from include.jobs import bulk_operations as jobs
from include.jobs import hooks, retrigger
from include.jobs.watchers import BulkWork
from include.oms.base.queries import query
from include.oms.operators import bulk_operations
from include.oms.operators.audit import Door
from include.oms.operators.bulk_operations import (
    Action,
    Change,
    Count,
    NotAllowed,
    RequestAnswer,
    WrongState,
    change_operation,
    count_selection,
    create_operation,
    decide,
    lease_operation,
    operation,
    operations,
    work_operation,
)
from include.oms.operators.selection import Order, Place, Selection, pages, select_requests
from include.oms.testing.made import days_ago, ended
from include.oms.testing.system import Oms
from include.oms.words.model import Job

RED = {"statuses": ("FAILED", "STOPPED"), "withdrawn": False}


def selection(**filled: Any) -> Selection:
    return Selection.model_validate(RED | filled)


async def selected(oms: Oms, chosen: Selection, page_size: int = 2) -> list[int]:
    """All ids of a selection, by small pages."""
    return [it.request_id async for page in pages(oms.connection, chosen, page_size=page_size) for it in page]


async def asked(oms: Oms, chosen: Selection, action: Action = Action.RETRIGGER, **more: Any) -> int:
    """An operation on a selection, counted now; its id."""
    counted = more.pop("counted", None) or await count_selection(oms.connection, chosen)
    how: dict[str, Any] = {"actor": "airflow:ann", "door": Door.CONSOLE, "reason": "mended", "per_second": 1000}
    how |= {"subject": "a selection", "approval_above": 1000}
    return await create_operation(oms.connection, action, chosen, counted, **how | more)


async def work(oms: Oms, operation_id: int, pieces: int = 1000) -> dict[str, str]:
    """Work an operation, so many pieces at most; each request's answer."""
    leased = await lease_operation(oms.connection, operation_id)
    assert leased
    results: list[bulk_operations.AnsweredRequest] = []
    walk = work_operation(oms.connection, leased, max_seconds=60)
    async for piece in walk:
        results += piece
        if not (pieces := pieces - 1):
            await walk.aclose()
            break
    assert len({it.request for it in results}) == len(results), "one answer each"
    return {it.request: it.answer for it in results}


async def drive(oms: Oms, chosen: Selection, **more: Any) -> dict[str, str]:
    """Retrigger a selection; each request's answer."""
    return await work(oms, await asked(oms, chosen, **more))


FILTERS = [
    ({"statuses": ("STOPPED",)}, {"status": "STOPPED", "category": "STOPPED_AT_THUNDERHEAD"}),
    ({"stage": "SUBMISSION"}, {"stage": "SUBMISSION"}),
    ({"category": "OVERDUE"}, {"category": "OVERDUE"}),
    ({"source_system": "ARCADE"}, {"source_system": "ARCADE"}),
    ({"document_type": "LETTER"}, {"document_type": "LETTER"}),
    ({"document_name": "IVBRKCOM"}, {"document_name": "IVBRKCOM"}),
    ({"correlation_ids": ("it's %s me",)}, {"correlation_id": "it's %s me"}),
    ({"correlation_ids": ("z",), "source_system": "ZETA"}, {"correlation_id": "z", "source_system": "ZETA"}),
    ({"metadata": (("COUNTRY", "SE"),)}, {"metadata": {"COUNTRY": "SE"}}),
    ({"metadata": (("COUNTRY", "SE"), ("CASE", "7"))}, {"metadata": {"COUNTRY": "SE", "CASE": "7"}}),
    ({"error_text": "YEAR"}, {"description": "no year 4711"}),
    ({"cause": md5(b"no year #").hexdigest()}, {"description": "no year 4711"}),
    ({"document": "LETTER"}, {"document_type": "LETTER"}),
    ({"document": "IVBRKCOM"}, {"document_name": "IVBRKCOM"}),
    ({"created_from": days_ago(3), "created_to": days_ago(1)}, {"created_at": days_ago(2)}),
    ({"ended_from": days_ago(0.25)}, {"days": 0}),
    ({"ended_to": days_ago(1)}, {"days": 2}),
    ({"ended_from": days_ago(3), "ended_to": days_ago(1)}, {"days": 2}),
]


@pytest.mark.parametrize(("wanted", "made"), FILTERS, ids=lambda it: "-".join(it))
async def test_every_filter_finds_what_it_names_and_nothing_else(
    oms: Oms, wanted: dict[str, Any], made: dict[str, Any]
) -> None:
    others: dict[str, Any] = {"metadata": {"COUNTRY": "NO", "CASE": "7"}, "days": 0.5}
    await ended(oms, **others)
    hits = [await ended(oms, **others | made | more) for more in ({}, {"correlation_id": "other"})]
    if "correlation_ids" in wanted:
        hits.pop()
    await ended(oms, **others)
    assert await selected(oms, selection(**wanted)) == hits[::-1], "newest first"


@pytest.mark.parametrize("filled", [{"metadata": (("COUNTRY", "SE"),)}, {"category": "OVERDUE"}])
async def test_the_newest_that_have_it_are_not_all(
    oms: Oms, monkeypatch: pytest.MonkeyPatch, filled: dict[str, Any]
) -> None:
    monkeypatch.setattr("include.oms.operators.selection.NEWEST_LOOKED_AT", 0)
    having = {"metadata": {"COUNTRY": "SE"}, "category": "OVERDUE"}
    wanted = [await ended(oms, source_system="ARCADE", **having) for _ in range(3)]
    for _ in range(3):
        await ended(oms, **having)
    assert await selected(oms, selection(source_system="ARCADE", **filled)) == wanted[::-1]


async def test_only_red_ends_that_nobody_withdrew(oms: Oms) -> None:
    red = [await ended(oms), await ended(oms, "STOPPED", category="STOPPED_AT_THUNDERHEAD")]
    await ended(oms, "COMPLETED", category=None)
    withdrawn = await ended(oms, "STOPPED", category="CANCELLED")
    await oms.queued()
    assert await selected(oms, selection()) == red[::-1]
    answers = await drive(oms, selection(request_ids=(withdrawn,)))
    assert answers == {str(withdrawn): RequestAnswer.WITHDRAWN}


async def test_the_last_error_counts_as_the_category(oms: Oms) -> None:
    request_id = await ended(oms, category="OVERDUE")
    await oms.connection.execute(
        """INSERT INTO request_errors (request_id, revision, attempt, stage, category, description)
           VALUES (%s, 1, 2, 'GENERATION', 'INTERNAL_ERROR', 'x')""",
        (request_id,),
    )
    assert await selected(oms, selection(category="OVERDUE")) == []
    assert await selected(oms, selection(category="INTERNAL_ERROR")) == [request_id]


async def test_each_request_that_is_named_gets_its_answer(oms: Oms) -> None:
    failed, other_stage = await ended(oms), await ended(oms, stage="SUBMISSION")
    done = await ended(oms, "COMPLETED", category=None)
    (queued,) = await oms.queued()
    named = (failed, other_stage, done, queued, 999_999, failed)

    answers = await drive(oms, selection(request_ids=named, stage="GENERATION"))

    assert answers == {
        str(failed): "retriggered", str(other_stage): "not in the selection", str(done): "healed already",
        str(queued): "not ended", "999999": "not found",
    }  # fmt: skip
    assert await oms.timeline(failed) == ["ACCEPTED", "FAILED", "RETRIGGERED"]
    (entry,) = await oms.rows("SELECT actor FROM request_timeline WHERE event = 'RETRIGGERED'")
    assert entry["actor"] == "airflow:ann"


async def test_correlation_ids_are_looked_for_in_every_source_system(oms: Oms) -> None:
    ids = [await ended(oms, correlation_id="a", source_system=system) for system in ("ARCADE", "CIBT")]
    answers = await drive(oms, selection(correlation_ids=("a", "b")))
    assert answers == {str(ids[0]): "retriggered", str(ids[1]): "retriggered", "b": "not found"}


async def test_twice_does_no_harm(oms: Oms) -> None:
    ids = tuple([await ended(oms) for _ in range(3)])
    await drive(oms, selection(request_ids=ids))
    again = await drive(oms, selection(request_ids=ids))
    assert Counter(again.values()) == {"not ended": 3}
    assert await drive(oms, selection(stage="GENERATION")) == {}
    assert [await oms.timeline(request_id) for request_id in ids] == [["ACCEPTED", "FAILED", "RETRIGGERED"]] * 3


async def test_what_somebody_else_was_quicker_with_is_told(oms: Oms, monkeypatch: pytest.MonkeyPatch) -> None:
    taken, mine = await ended(oms), await ended(oms)
    real = bulk_operations.retrigger_requests

    async def quicker(connection: Any, ids: Any, *, actor: str, why: str | None) -> list[int]:
        await real(connection, [taken], actor="console:bob")
        return await real(connection, ids, actor=actor, why=why)

    monkeypatch.setattr(bulk_operations, "retrigger_requests", quicker)
    assert await drive(oms, selection(stage="GENERATION")) == {str(mine): "retriggered", str(taken): "not ended"}


async def test_what_ends_after_the_count_does_not_join(oms: Oms) -> None:
    counted_one = await ended(oms)
    late = await ended(oms, days=-0.01)  # by the database's clock, its end is yet to come
    count = await count_selection(oms.connection, selection(stage="GENERATION"))
    assert count.total == 1
    answers = await drive(oms, selection(stage="GENERATION"), counted=count)
    assert answers == {str(counted_one): "retriggered"}
    assert (await oms.request(late))["status"] == "FAILED"


async def test_never_more_than_were_counted(oms: Oms) -> None:
    ids = [await ended(oms) for _ in range(5)]
    counted = await count_selection(oms.connection, selection(stage="GENERATION"))
    two = Count({("FAILED", "GENERATION", "PROCESSING_ERROR"): 2}, counted.counted_at)
    answers = await drive(oms, selection(stage="GENERATION"), counted=two)
    assert list(answers) == [str(ids[4]), str(ids[3])]


async def test_the_rate_is_kept(oms: Oms, monkeypatch: pytest.MonkeyPatch) -> None:
    paced: list[int] = []

    async def wait_for(_pace: Any, number: int) -> None:
        paced.append(number)

    monkeypatch.setattr(bulk_operations.Pace, "wait_for", wait_for)
    for _ in range(25):
        await ended(oms)
    assert len(await drive(oms, selection(stage="GENERATION"), per_second=50)) == 25
    assert paced == [10, 10, 10, 10], "five pieces a second, until one is empty"


async def test_the_watchers_are_woken(oms: Oms) -> None:
    await ended(oms)
    await oms.connection.execute("UPDATE watchers SET waiting = true")
    await oms.connection.execute("LISTEN oms_work")
    await drive(oms, selection(stage="GENERATION"))
    heard = [it.payload async for it in oms.connection.notifies(timeout=60, stop_after=2)]
    assert set(heard) == set(Job)


async def test_it_goes_all_the_way_to_its_document(oms: Oms) -> None:
    request_id = await ended(oms)
    await drive(oms, selection(request_ids=(request_id,)))
    await oms.run_processing()
    oms.thunderhead.end("COMPLETED")
    await oms.due_now()
    await oms.run_monitoring()
    assert (await oms.request(request_id))["status"] == "COMPLETED"
    assert await drive(oms, selection(request_ids=(request_id,))) == {str(request_id): "healed already"}


KINDS = st.fixed_dictionaries({
    "status": st.sampled_from(["FAILED", "STOPPED", "COMPLETED"]),
    "stage": st.sampled_from(["ENRICHMENT", "SUBMISSION", "GENERATION", "MONITORING"]),
    "category": st.sampled_from(["OVERDUE", "CANCELLED", "VALIDATION_ERROR"]),
    "source_system": st.sampled_from(["CIBT", "ARCADE"]),
    "metadata": st.dictionaries(st.sampled_from(["A", "B"]), st.sampled_from(["1", "2"])),
})  # fmt: skip
WANTED = st.fixed_dictionaries({}, optional={
    "statuses": st.sampled_from([("FAILED",), ("STOPPED",), ("FAILED", "STOPPED")]),
    "stage": st.sampled_from(["ENRICHMENT", "SUBMISSION", "GENERATION"]),
    "category": st.sampled_from(["OVERDUE", "VALIDATION_ERROR"]),
    "source_system": st.sampled_from(["CIBT", "ARCADE"]),
    "metadata": st.sampled_from([(("A", "1"),), (("A", "1"), ("B", "2"))]),
})  # fmt: skip


def means(wanted: dict[str, Any], made: dict[str, Any]) -> bool:
    """The selection in plain Python, to hold the SQL against."""
    return (
        made["status"] in wanted.get("statuses", RED["statuses"])
        and not (made["status"] == "STOPPED" and made["category"] == "CANCELLED")
        and all(made[name] == wanted.get(name, made[name]) for name in ("stage", "category", "source_system"))
        and all(made["metadata"].get(key) == value for key, value in wanted.get("metadata", ()))
    )


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=st.lists(KINDS, max_size=8), wanted=WANTED)
async def test_what_is_counted_is_what_is_driven(oms: Oms, made: list[dict[str, Any]], wanted: dict[str, Any]) -> None:
    await oms.connection.execute("TRUNCATE document_requests CASCADE")
    ids = [await ended(oms, **it) for it in made]
    expected = {str(i) for i, it in zip(ids, made, strict=True) if means(wanted, it)}

    count = await count_selection(oms.connection, selection(**wanted))
    answers = await drive(oms, selection(**wanted), counted=count)

    assert count.total == len(expected)
    assert {request for request, answer in answers.items() if answer is RequestAnswer.RETRIGGERED} == expected
    driven = await oms.rows("SELECT request_id FROM request_timeline WHERE event = 'RETRIGGERED'")
    assert {str(row["request_id"]) for row in driven} == expected


async def test_it_serves_a_search_of_any_status_page_by_page(oms: Oms) -> None:
    ids = [await ended(oms, status) for status in ("COMPLETED", "FAILED")] + await oms.queued(2)
    first = await select_requests(oms.connection, Selection(), limit=3)
    rest = await select_requests(oms.connection, Selection(), limit=3, place=Place(request_id=first[-1].request_id))
    assert [it.request_id for it in first + rest] == ids[::-1]


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (RED, "red_requests"),
        (RED | {"ended_from": days_ago(1), "document_name": "X"}, "red_requests"),
        ({"request_ids": (1, 2)}, "document_requests_pkey"),
        ({"correlation_ids": ("a",)}, "requests_by_correlation_id"),
        ({"metadata": (("A", "1"),)}, "metadata_by_value"),
        ({"source_system": "CIBT"}, "requests_of_source_system"),
        ({"batch_id": 7}, "batches_by_thunderhead_id"),
        ({"document": "X"}, "requests_of_document"),
        ({"category": "OVERDUE"}, "errors_by_category"),
        (RED | {"category": "OVERDUE"}, "red_requests"),
        ({"batch_name": "OMS-1-1"}, "thunderhead_batches_request_id_attempt_key"),
        (RED | {"cause": "0" * 32}, "red_requests"),
        (RED | {"error_text": "x"}, "red_requests"),
        ({"retrying": True}, "retrying_requests"),
        ({"created_from": days_ago(2), "created_to": days_ago(1)}, "requests_by_creation"),
    ],
    ids=lambda it: it if isinstance(it, str) else "",
)
async def test_each_selection_has_its_index(oms: Oms, wanted: dict[str, Any], index: str) -> None:
    assert index in await plan_of(oms, wanted, Place())


@pytest.mark.parametrize(
    ("place", "index"),
    [
        (Place(), "Index Scan Backward using document_requests_pkey"),
        (Place(Order.OLDEST, 7), "Index Scan using document_requests_pkey"),
        (Place(Order.ENDED), "Index Scan Backward using ended_requests"),
        (Place(Order.ENDED, 7, days_ago(1)), "Index Scan Backward using ended_requests"),
    ],
    ids=["newest", "oldest", "ended", "ended, next page"],
)
async def test_each_order_has_its_index(oms: Oms, place: Place, index: str) -> None:
    await oms.connection.execute("SET enable_sort = off")  # of a table that is empty, a sort costs nothing
    assert index in await plan_of(oms, {}, place)


async def plan_of(oms: Oms, wanted: dict[str, Any], place: Place) -> str:
    """The plan for a selection from a place on."""
    await oms.connection.execute("SET enable_seqscan = off")
    values = Selection.model_validate(wanted).values() | place.values() | {"limit": 10, "newest": None}
    plan = await oms.connection.execute("EXPLAIN " + query("select_requests"), values, prepare=False)
    return str(await plan.fetchall())


async def test_a_killed_worker_loses_nothing_and_the_next_goes_on(oms: Oms) -> None:
    ids = [await ended(oms) for _ in range(9)]
    operation_id = await asked(oms, selection(stage="GENERATION"), per_second=10)
    first = await lease_operation(oms.connection, operation_id)
    assert first
    walk = work_operation(oms.connection, first, max_seconds=60)
    done = await anext(walk)
    await oms.connection.execute("UPDATE bulk_operations SET lease_until = now() - interval '1 second'")
    second = await lease_operation(oms.connection)  # the first one was thought dead, and goes on
    assert second
    assert [piece async for piece in walk] == []
    rest = [it async for piece in work_operation(oms.connection, second, max_seconds=60) for it in piece]
    assert sorted(int(it.request) for it in [*done, *rest]) == ids
    now = await operation(oms.connection, operation_id)
    assert now
    assert (now["state"], now["worked"], now["done"]) == ("DONE", 9, 9)
    assert [await oms.timeline(it) for it in ids] == [["ACCEPTED", "FAILED", "RETRIGGERED"]] * 9


async def test_pause_and_stop_are_obeyed_before_the_next_piece(oms: Oms) -> None:
    for _ in range(6):
        await ended(oms)
    operation_id = await asked(oms, selection(stage="GENERATION"), per_second=10)
    who: dict[str, Any] = {"actor": "airflow:bob", "door": Door.CONSOLE}
    assert len(await work(oms, operation_id, pieces=1)) == 2
    await change_operation(oms.connection, operation_id, Change.PAUSE, **who)
    assert await lease_operation(oms.connection) is None
    await change_operation(oms.connection, operation_id, Change.RESUME, **who)
    assert len(await work(oms, operation_id, pieces=1)) == 2
    await change_operation(oms.connection, operation_id, Change.STOP, **who)
    assert await lease_operation(oms.connection) is None
    for change in Change:
        with pytest.raises(WrongState, match="STOPPED"):
            await change_operation(oms.connection, operation_id, change, **who)
    with pytest.raises(WrongState, match="no such operation"):
        await change_operation(oms.connection, 999, Change.STOP, **who)
    (shown,) = await operations(oms.connection, limit=10)
    assert (shown["worked"], shown["counted"], shown["changed_by"]) == (4, 6, "airflow:bob")
    said = await oms.rows("SELECT action, number FROM operator_actions ORDER BY action_id")
    assert [(it["action"], it["number"]) for it in said] == [
        ("retrigger", 6), ("pause_operation", 6), ("resume_operation", 6), ("stop_operation", 6),
    ]  # fmt: skip


async def test_many_wait_for_somebody_elses_approval(oms: Oms) -> None:
    for _ in range(3):
        await ended(oms)
    operation_id = await asked(oms, selection(stage="GENERATION"), approval_above=2)
    assert await lease_operation(oms.connection) is None
    with pytest.raises(NotAllowed):
        await decide(oms.connection, operation_id, approve=True, actor="airflow:ann", door=Door.CONSOLE)
    assert await lease_operation(oms.connection) is None
    await decide(oms.connection, operation_id, approve=True, actor="airflow:bob", door=Door.CONSOLE)
    assert len(await work(oms, operation_id)) == 3
    with pytest.raises(WrongState):
        await decide(oms.connection, operation_id, approve=False, actor="airflow:bob", door=Door.CONSOLE)


async def test_what_is_over_keeps_no_metadata(oms: Oms) -> None:
    await ended(oms, metadata={"CASE": "7"})
    chosen = selection(metadata=(("CASE", "7"),))
    done, rejected, stopped = [await asked(oms, chosen, approval_above=n) for n in (1, 0, 0)]
    kept = await oms.rows("SELECT count(*) AS n FROM bulk_operations WHERE selection ? 'metadata'")
    assert kept[0]["n"] == 3
    await work(oms, done)
    await decide(oms.connection, rejected, approve=False, actor="airflow:bob", door=Door.CONSOLE)
    await change_operation(oms.connection, stopped, Change.STOP, actor="airflow:ann", door=Door.CONSOLE)
    kept = await oms.rows("SELECT count(*) AS n FROM bulk_operations WHERE selection ? 'metadata'")
    assert kept[0]["n"] == 0


async def test_one_origin_asks_once(oms: Oms) -> None:
    await ended(oms)
    first = await asked(oms, selection(stage="GENERATION"), origin="document_retrigger/run")
    assert await asked(oms, selection(stage="GENERATION"), origin="document_retrigger/run") == first
    assert len(await oms.rows("SELECT FROM operator_actions")) == 1


async def test_every_action_is_worked_with_an_answer_for_each(oms: Oms) -> None:
    red, (queued, waiting) = await ended(oms), await oms.queued(2)
    await oms.connection.execute("UPDATE document_requests SET due_at = 'infinity' WHERE request_id = %s", [waiting])
    published = await ended(oms, "COMPLETED", category=None)
    everything = Selection()
    wanted = {
        Action.RESOLVE: {red: "resolved"},
        Action.REOPEN: {red: "reopened"},
        Action.RETRY_NOW: {waiting: "due now"},
        Action.WITHDRAW: {waiting: "withdrawn", queued: "withdrawn"},
        Action.PUBLISH_AGAIN: {published: "published again", red: "published again"},
    }
    for action, answers in wanted.items():
        chosen = bulk_operations.narrowed(action, everything)
        assert chosen
        said = await work(oms, await asked(oms, chosen, action))
        assert {int(it): answer for it, answer in said.items() if answer != "left alone"} == answers, action
    assert await oms.timeline(red) == ["ACCEPTED", "FAILED", "RESOLVED", "REOPENED", "PUBLISHED_AGAIN"]
    waits = await oms.rows("SELECT request_id FROM final_events WHERE published_at IS NULL")
    assert {it["request_id"] for it in waits} == {red, published, queued, waiting}


@pytest.mark.parametrize(
    ("action", "wanted", "left"),
    [
        (Action.RETRIGGER, {"statuses": ("COMPLETED",)}, False),
        (Action.RETRIGGER, {"withdrawn": True}, False),
        (Action.RESOLVE, {"state": "resolved"}, False),
        (Action.REOPEN, {"state": "needs_person"}, False),
        (Action.RETRY_NOW, {"state": "retrying"}, True),
        (Action.WITHDRAW, {"statuses": ("QUEUED", "FAILED")}, True),
    ],
)
def test_an_action_takes_what_it_can_do_something_to(action: Action, wanted: dict[str, Any], left: bool) -> None:
    assert (bulk_operations.narrowed(action, Selection.model_validate(wanted)) is not None) == left


async def test_the_job_is_told_of_an_operation(oms: Oms) -> None:
    await ended(oms)
    due = bulk_operations.operations_are_due(oms.connection, 60)
    await asked(oms, selection(stage="GENERATION"))
    assert await anext(due) is None
    await due.aclose()


async def test_the_task_works_all_that_waits_and_its_watcher_fires(oms: Oms, monkeypatch: pytest.MonkeyPatch) -> None:
    async def url() -> str:
        return oms.url

    monkeypatch.setattr(jobs, "oms_database_url", lambda: oms.url)
    monkeypatch.setattr(hooks, "oms_database_url_async", url)
    ids = [await ended(oms) for _ in range(3)]
    for request_id in ids:
        await asked(oms, selection(request_ids=(request_id,)))
    events = BulkWork(60).run()
    assert await anext(events)
    await events.aclose()  # type: ignore[attr-defined]
    assert await asyncio.to_thread(jobs.work) == 3
    assert {row["state"] for row in await operations(oms.connection, limit=10)} == {"DONE"}
    assert await asyncio.to_thread(jobs.work) == 0


async def test_the_form_is_a_door_to_it(oms: Oms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrigger, "oms_database_url", lambda: oms.url)
    request_id = await ended(oms)
    params = {"stage": "GENERATION", "per_second": 1000, "dry_run": False}
    counted = await asyncio.to_thread(retrigger.count, params, approve="approve", retrigger="retrigger")
    assert (counted["total"], counted["next_task"]) == (1, "retrigger")
    ti: Any = SimpleNamespace(dag_id="document_retrigger", run_id="run", xcom_push=lambda **_: None)
    for answers in ({"retriggered": 1}, {}):  # a clear of the task goes on with the same operation
        driven = await asyncio.to_thread(
            retrigger.drive, params, counted, actor="airflow:ann", ti=ti, approved_by="bob"
        )
        assert driven == answers
    (row,) = await operations(oms.connection, limit=10)
    assert (row["door"], row["actor"], row["decided_by"], row["state"]) == ("dag", "airflow:ann", "airflow:bob", "DONE")
    assert await oms.timeline(request_id) == ["ACCEPTED", "FAILED", "RETRIGGERED"]


async def test_a_piece_that_takes_too_long_is_halved(oms: Oms, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [await ended(oms) for _ in range(5)]
    act, sizes = bulk_operations.act, list[int]()

    async def slow(connection: Any, action: Action, request_ids: list[int], **more: Any) -> list[int]:
        sizes.append(len(request_ids))
        if len(request_ids) > 2:
            raise QueryCanceled
        return await act(connection, action, request_ids, **more)

    monkeypatch.setattr(bulk_operations, "act", slow)
    answers = await work(oms, await asked(oms, selection()))
    assert set(answers) == {str(it) for it in ids}
    assert max(sizes) > 2


async def test_an_operation_that_takes_too_long_holds_up_no_other(oms: Oms, monkeypatch: pytest.MonkeyPatch) -> None:
    poison, good = await ended(oms), await ended(oms, document_name="POSHOOFF")
    act = bulk_operations.act

    async def slow(connection: Any, action: Action, request_ids: list[int], **more: Any) -> list[int]:
        if request_ids == [poison]:
            raise QueryCanceled
        return await act(connection, action, request_ids, **more)

    monkeypatch.setattr(bulk_operations, "act", slow)
    monkeypatch.setattr(jobs, "oms_database_url", lambda: oms.url)
    first = await asked(oms, selection(document_name="IVZRECPA"))
    await asked(oms, selection(document_name="POSHOOFF"))
    assert await asyncio.to_thread(jobs.work) == 1
    now = await operation(oms.connection, first)
    assert now
    assert (now["state"], now["changed_by"]) == ("PAUSED", "bulk_operations")
    assert [(await oms.request(it))["status"] for it in (poison, good)] == ["FAILED", "QUEUED"]
