"""The daily reconciliation: what adds up is said to; each kind of what does not is found and named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from include.oms.ending.runs import complete_run
from include.oms.testing.made import batch, days_ago, ended
from include.oms.testing.outside import cut, problem
from include.oms.testing.system import Oms
from include.oms.upkeep import thunderhead_comparison
from include.oms.upkeep.discrepancies import MOST_LISTED, Kind
from include.oms.upkeep.reconciliation import (
    MOST_DAYS_MADE_UP_FOR,
    Reconciliation,
    days_to_make_up_for,
    reconcile,
    store,
)
from include.oms.upkeep.thunderhead_comparison import Comparison
from include.oms.upkeep.window import Window
from include.oms.words.errors import Unavailable

TODAY = Window(days_ago(0.5), days_ago(-0.5))


async def reconciled(oms: Oms, window: Window = TODAY, **settings: Any) -> Reconciliation:
    return await reconcile(
        oms.connection,
        oms.thunderhead_client,
        window,
        oms.settings.model_copy(update={"reconciliation_calls_per_second": 1000, **settings}),
    )


async def completed(oms: Oms) -> tuple[int, dict[str, Any]]:
    """A request that went all the way, and its batch at Thunderhead."""
    (request_id,) = await oms.queued()
    await oms.connection.execute(
        "INSERT INTO request_timeline (request_id, event, actor) VALUES (%s, 'ACCEPTED', 'intake')", (request_id,)
    )
    await oms.run_processing()
    oms.thunderhead.end("COMPLETED")
    await oms.due_now()
    await oms.run_monitoring()
    return request_id, oms.thunderhead.batches[-1]


async def test_what_adds_up(oms: Oms) -> None:
    await completed(oms)
    await oms.connection.execute("UPDATE final_events SET published_at = now()")
    await completed(oms)
    (still_open,) = await oms.queued()
    await oms.connection.execute(
        "INSERT INTO request_timeline (request_id, event, actor) VALUES (%s, 'ACCEPTED', 'intake')", (still_open,)
    )
    done = await reconciled(oms)
    assert done.adds_up, done.found.listed
    assert done.counts == Counter(
        requests_in=3, requests_ended=2, requests_open=1, ends=2, events=2, events_published=1, events_waiting=1,
        events_set_aside=0, batches=2, batches_compared=2, names_looked_up=2,
    )  # fmt: skip
    assert "Everything adds up." in done.report()


async def test_runs_are_counted_apart_from_requests(oms: Oms) -> None:
    await a_run(oms)
    done = await reconciled(oms)
    assert done.adds_up, done.found.listed
    assert (done.counts["events"], done.counts["ends"]) == (1, 1)
    assert (done.counts["runs_opened"], done.counts["runs_completed"], done.counts["runs_open"]) == (1, 1, 0)


async def not_accepted(oms: Oms) -> int:
    (request_id,) = await oms.queued()
    return request_id


async def end_without_event(oms: Oms) -> int:
    request_id, _ = await completed(oms)
    await oms.connection.execute("DELETE FROM final_events")
    return request_id


async def end_that_nobody_told(oms: Oms) -> int:
    request_id = await end_without_event(oms)
    await oms.connection.execute("DELETE FROM request_timeline WHERE event = 'COMPLETED'")
    return request_id


async def event_without_end(oms: Oms) -> int:
    request_id, _ = await completed(oms)
    await oms.connection.execute("DELETE FROM request_timeline WHERE event = 'COMPLETED'")
    return request_id


async def event_set_aside(oms: Oms) -> int:
    request_id, _ = await completed(oms)
    await oms.connection.execute("UPDATE final_events SET set_aside_at = now(), set_aside_reason = 'too large'")
    return request_id


async def in_nobodys_hands(oms: Oms) -> int:
    request_id, _ = await completed(oms)
    await oms.connection.execute("UPDATE document_requests SET status = 'PROCESSING', ended_at = NULL")
    return request_id


async def unknown_there(oms: Oms) -> int:
    request_id, _ = await completed(oms)
    oms.thunderhead.batches.clear()
    return request_id


async def other_name_there(oms: Oms) -> int:
    request_id, theirs = await completed(oms)
    theirs["batchName"] = "somebody's"
    return request_id


async def other_status_there(oms: Oms) -> int:
    request_id, theirs = await completed(oms)
    theirs["status"] = "STOPPED"
    return request_id


async def other_document_there(oms: Oms) -> int:
    request_id, theirs = await completed(oms)
    theirs["dmsDocumentId"] = 7
    return request_id


async def orphan(oms: Oms) -> int:
    request_id = await ended(oms, "FAILED", stage="SUBMISSION")
    await batch(oms, request_id, "FAILED")
    oms.thunderhead.batches.append({"batchId": 99, "batchName": f"OMS-{request_id}-1", "status": "COMPLETED"})
    return request_id


async def orphan_of_a_worker_that_died(oms: Oms) -> int:
    request_id = await ended(oms, "FAILED", stage="SUBMISSION", category="WORKER_DIED")
    await batch(oms, request_id, "PROCESSING_OMS", unsure_since=datetime.now(UTC))
    oms.thunderhead.batches.append({"batchId": 99, "batchName": f"OMS-{request_id}-1", "status": "COMPLETED"})
    return request_id


async def double(oms: Oms) -> int:
    request_id, theirs = await completed(oms)
    oms.thunderhead.batches.append(theirs | {"batchId": 99})
    return request_id


async def a_run(oms: Oms) -> int:
    """A run of one request that has completed, with its event; its id."""
    request_id, _ = await completed(oms)
    (row,) = await oms.rows(
        """INSERT INTO runs (source_system, name, content_hash, expected, proofs, deadline, opened_by, closed_by,
               closed_at)
           VALUES ('CIBT', 'JUNE', '', 1, 0, now() + interval '1 hour', 'client:test', 'client:test', now())
           RETURNING run_id"""
    )
    await oms.connection.execute(
        "UPDATE document_requests SET run_id = %s WHERE request_id = %s", (row["run_id"], request_id)
    )
    with psycopg.connect(oms.url, row_factory=dict_row) as publisher:
        assert complete_run(publisher, None, "runs") == 1
    return int(row["run_id"])


async def run_without_event(oms: Oms) -> None:
    run_id = await a_run(oms)
    await oms.connection.execute("DELETE FROM final_events WHERE run_id = %s", (run_id,))


async def run_differs(oms: Oms) -> None:
    await a_run(oms)
    await oms.connection.execute("UPDATE document_requests SET run_id = NULL")


async def event_of_a_run_set_aside(oms: Oms) -> None:
    await a_run(oms)
    await oms.connection.execute(
        "UPDATE final_events SET set_aside_at = now(), set_aside_reason = 'too large' WHERE run_id IS NOT NULL"
    )


WRONG: list[tuple[Kind, Callable[[Oms], Awaitable[int | None]]]] = [
    (Kind.NOT_ACCEPTED, not_accepted),
    (Kind.END_WITHOUT_EVENT, end_without_event),
    (Kind.END_WITHOUT_EVENT, end_that_nobody_told),
    (Kind.EVENT_WITHOUT_END, event_without_end),
    (Kind.EVENT_SET_ASIDE, event_set_aside),
    (Kind.IN_NOBODYS_HANDS, in_nobodys_hands),
    (Kind.UNKNOWN_THERE, unknown_there),
    (Kind.DIFFERS, other_name_there),
    (Kind.DIFFERS, other_status_there),
    (Kind.DIFFERS, other_document_there),
    (Kind.ORPHAN, orphan),
    (Kind.ORPHAN, orphan_of_a_worker_that_died),
    (Kind.DOUBLE, double),
    (Kind.RUN_WITHOUT_EVENT, run_without_event),
    (Kind.RUN_DIFFERS, run_differs),
    (Kind.EVENT_SET_ASIDE, event_of_a_run_set_aside),
]


def test_every_kind_has_a_test() -> None:
    assert {kind for kind, _ in WRONG} == set(Kind)


@pytest.mark.parametrize(("kind", "go_wrong"), WRONG, ids=lambda it: getattr(it, "__name__", ""))
async def test_what_does_not_add_up_is_named(
    oms: Oms, kind: Kind, go_wrong: Callable[[Oms], Awaitable[int | None]]
) -> None:
    request_id = await go_wrong(oms)
    done = await reconciled(oms)
    assert [(it.kind, it.request_id) for it in done.found.listed] == [(kind, request_id)]
    assert "**1 do not add up.**" in done.report()


async def test_what_is_under_way_is_not_compared_by_status(oms: Oms) -> None:
    (request_id,) = await oms.queued()
    await oms.connection.execute(
        "INSERT INTO request_timeline (request_id, event, actor) VALUES (%s, 'ACCEPTED', 'intake')", (request_id,)
    )
    await oms.run_processing()
    oms.thunderhead.end("COMPLETED")
    assert (await reconciled(oms)).adds_up


async def test_what_is_being_submitted_is_no_orphan(oms: Oms) -> None:
    (request_id,) = await oms.queued()
    await oms.connection.execute(
        "INSERT INTO request_timeline (request_id, event, actor) VALUES (%s, 'ACCEPTED', 'intake')", (request_id,)
    )
    oms.thunderhead.answers_after_effect = [cut]
    await oms.run_processing()
    assert len(oms.thunderhead.batches) == 1
    assert (await reconciled(oms)).adds_up


async def test_another_day_is_another_matter(oms: Oms) -> None:
    await double(oms)
    yesterday = Window(days_ago(1.5), days_ago(0.5))
    done = await reconciled(oms, yesterday)
    assert done.adds_up
    assert done.counts["requests_in"] == 0


async def many_batches(oms: Oms, n: int) -> None:
    """Requests that ended COMPLETED, each with its batch here and there."""
    for number in range(1, n + 1):
        request_id = await ended(oms, "COMPLETED", category=None)
        await batch(oms, request_id, "COMPLETED", thunderhead_batch_id=number, dms_document_id=number + 1000)
        there = {"batchId": number, "batchName": f"OMS-{request_id}-1", "status": "COMPLETED"}
        oms.thunderhead.batches.append(there | {"dmsDocumentId": number + 1000})


async def test_ids_go_a_hundred_a_call_and_names_as_many_as_are_allowed(
    oms: Oms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thunderhead_comparison, "NAMES_A_DAY", 30)
    await many_batches(oms, 150)
    done = await reconciled(oms)
    assert done.adds_up
    assert done.counts["batches_compared"] == 150
    assert 10 < done.counts["names_looked_up"] <= 30
    assert oms.thunderhead.calls["find"] == 2 + done.counts["names_looked_up"]


async def test_names_without_an_id_come_before_the_sample(oms: Oms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thunderhead_comparison, "NAMES_A_DAY", 1)
    await many_batches(oms, 60)
    request_id = await orphan(oms)
    oms.thunderhead.batches[-1]["batchId"] = 999
    done = await reconciled(oms)
    assert [(it.kind, it.request_id) for it in done.found.listed] == [(Kind.ORPHAN, request_id)]


async def test_the_list_is_bounded_and_the_numbers_are_whole(oms: Oms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thunderhead_comparison, "NAMES_A_DAY", 0)
    await many_batches(oms, MOST_LISTED + 20)
    oms.thunderhead.batches.clear()
    done = await reconciled(oms)
    assert done.found.numbers == {Kind.UNKNOWN_THERE: MOST_LISTED + 20}
    assert len(done.found.listed) == MOST_LISTED


async def test_an_odd_answer_is_asked_again(oms: Oms) -> None:
    await completed(oms)
    find, odd = oms.thunderhead_client.find_by_ids, [True]

    async def odd_once(ids: Any) -> Any:
        return {} if odd and odd.pop() else await find(ids)

    oms.thunderhead_client.find_by_ids = odd_once  # type: ignore[method-assign]
    assert (await reconciled(oms)).adds_up


async def test_an_outage_is_waited_for_and_then_said(oms: Oms) -> None:
    await completed(oms)
    comparison = Comparison(oms.connection, oms.thunderhead_client, oms.settings, wait_seconds=0.01)
    oms.thunderhead.poll_answers = [problem(503)] * 3
    await comparison.compare(TODAY)
    assert not comparison.found
    oms.thunderhead.always = problem(503)
    with pytest.raises(Unavailable):
        await comparison.compare(TODAY)


async def test_the_report_is_kept_and_the_newer_one_counts(oms: Oms) -> None:
    await completed(oms)
    for run in ("first", "second"):
        await store(oms.connection, await reconciled(oms), dag_run_id=run)
        await double(oms)
    (row,) = await oms.rows("SELECT * FROM reconciliations")
    assert (row["dag_run_id"], row["adds_up"]) == ("second", False)
    assert row["counts"]["requests_in"] == 2
    assert row["discrepancies"][0]["kind"] == "DOUBLE"
    assert row["report"].startswith("# Reconciliation of ")


def test_a_window_is_cut_into_hours() -> None:
    day = Window.of_day(datetime(2026, 3, 1, tzinfo=UTC).date())
    hours = list(day.hours())
    assert len(hours) == 24
    assert (hours[0].window_from, hours[-1].window_to) == (day.window_from, day.window_to)
    short = Window(day.window_from, day.window_from + timedelta(minutes=90))
    assert [it.window_to - it.window_from for it in short.hours()] == [timedelta(hours=1), timedelta(minutes=30)]


async def test_days_that_were_missed_are_made_up_for_the_oldest_first(oms: Oms) -> None:
    today = datetime.now(UTC).date()
    yesterday = today - timedelta(days=1)
    assert await days_to_make_up_for(oms.connection, yesterday, oms.settings) == [], "there was nothing"
    await ended(oms, days=5)
    missed = [today - timedelta(days=days) for days in (5, 4, 3, 2)]
    assert await days_to_make_up_for(oms.connection, yesterday, oms.settings) == missed
    for day in missed[1:3]:
        done = await reconcile(oms.connection, oms.thunderhead_client, Window.of_day(day), oms.settings)
        await store(oms.connection, done, dag_run_id="run")
    assert await days_to_make_up_for(oms.connection, yesterday, oms.settings) == [missed[0], missed[3]]
    await oms.connection.execute("UPDATE document_requests SET created_at = now() - interval '300 days'")
    oldest = await days_to_make_up_for(oms.connection, yesterday, oms.settings)
    assert (oldest[0], len(oldest)) == (today - timedelta(days=89), MOST_DAYS_MADE_UP_FOR)


async def test_a_pause_of_thunderhead_is_obeyed(oms: Oms) -> None:
    await oms.connection.execute(
        "UPDATE outside_systems SET paused_at = now(), paused_by = 'ann' WHERE system = 'THUNDERHEAD'"
    )
    with pytest.raises(Unavailable, match="paused by ann"):
        await reconciled(oms)
