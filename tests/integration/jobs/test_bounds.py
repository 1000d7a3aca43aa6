"""What a worker reads, waits for or deletes is bounded, whatever the rows are like."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from psycopg.errors import QueryCanceled

from include.jobs import publishing
from include.jobs.kit import item_job
from include.oms.items import work
from include.oms.items.item import Call, Item
from include.oms.monitoring import worker as monitoring
from include.oms.monitoring.verdicts import verdict_of
from include.oms.processing import enrichment, worker
from include.oms.processing.worker import held_requests
from include.oms.processing.xml_document import document_xml
from include.oms.slices.by_day import END_OF_TIME, note_by_day
from include.oms.testing.items import RunsOf
from include.oms.testing.made import days_ago, document, ended
from include.oms.testing.system import Oms
from include.oms.upkeep.housekeeping import prune_bulk_operations
from include.oms.upkeep.window import Window
from include.oms.words.model import Job


async def test_content_is_read_some_bytes_at_a_time(oms: Oms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "PREPARED_BYTES_AT_ONCE", 25_000)
    ids = await oms.queued(9)
    await oms.connection.execute("UPDATE request_payloads SET content = to_json(repeat('x', 10000))")
    sizes: list[int] = []
    read = worker.with_contents

    async def counted(hold, requests):  # type: ignore[no-untyped-def]
        sizes.append(len(requests))
        return await read(hold, requests)

    monkeypatch.setattr(worker, "with_contents", counted)
    oms.settings = oms.settings.model_copy(update={"slice_size": 9})
    await oms.run_processing()
    assert len(oms.thunderhead.batches) == len(ids)
    assert [size for size in sizes if size] == [2, 2, 2, 2, 1]


async def test_what_a_worker_holds_is_without_content(oms: Oms) -> None:
    await oms.queued(1)
    (slice_id,) = await oms.claim(Job.PROCESSING)
    (request,) = await held_requests(await oms.hold(slice_id))
    assert (request.content, request.content_bytes) == (None, len('{"a": 1}'))


async def test_a_period_that_takes_too_long_is_halved_and_nothing_is_left_out(oms: Oms) -> None:
    await ended(oms, "COMPLETED", days=3)
    periods: list[tuple[datetime, datetime]] = []

    async def note(begins_at: datetime, ends_at: datetime, _: int) -> int:
        if ends_at != END_OF_TIME and ends_at - begins_at > timedelta(hours=5):
            raise QueryCanceled
        periods.append((begins_at, ends_at))
        return 0

    await note_by_day(oms.connection, note, limit=10)
    assert periods[0][1] == END_OF_TIME
    assert all(later[0] == earlier[1] for later, earlier in pairwise(periods))
    assert periods[-1][0] < days_ago(3)


async def test_one_instant_that_takes_too_long_is_an_error(oms: Oms) -> None:
    await ended(oms, "COMPLETED", days=3)

    async def note(*_: object) -> int:
        raise QueryCanceled

    with pytest.raises(QueryCanceled):
        await note_by_day(oms.connection, note, limit=10)


async def test_a_job_of_the_kit_does_not_die_of_a_low_rate(
    oms: Oms, items: RunsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next call's turn comes in 100 s, which is later than the worker's time."""
    monkeypatch.setattr(work, "LONGEST_WORK_SECONDS", 50)
    patient = {"submit_timeout_seconds": 20, "settling_seconds": 30, "lease_seconds": 60}
    oms.settings = oms.settings.model_copy(update=patient)

    async def act(item: Item, call: Call) -> None:
        await call("POST", "/x", json={"name": item.name})

    due = "SELECT request_id FROM document_requests"
    job = item_job("some_job", doc="Doc", schedule=None, system="THUNDERHEAD", connection="x", due=due, act=act,
                   look_up=None).job()  # fmt: skip
    for number in range(1, 4):
        await document(oms, number)
    await oms.connection.execute("UPDATE outside_systems SET most_per_second = 0.01 WHERE system = 'THUNDERHEAD'")
    runs = await items(job)
    assert await runs.run() == []
    assert len(runs.outside.names()) == 1
    (left,) = await oms.rows("SELECT count(*) AS n, sum(deaths) AS deaths FROM job_items WHERE done_at IS NULL")
    assert left == {"n": 2, "deaths": 0}, "they wait for a later run"


async def test_bulk_operations_go_with_a_million_answers_and_undecided_ones_end(oms: Oms) -> None:
    for days, state in ((500, "DONE"), (40, "WAITING"), (40, "PAUSED"), (2, "WAITING")):
        selection = '{"metadata": [["CUSTOMER", "Jane"]]}'
        await oms.connection.execute(
            """INSERT INTO bulk_operations (action, selection, subject, actor, door, per_second, counted, counted_at,
                                            state, created_at, ended_at)
               VALUES ('resolve', %(selection)s, 's', 'a', 'console', 1, 5, now(), %(state)s, %(at)s,
                       CASE WHEN %(state)s = 'DONE' THEN now() END)""",
            {"selection": selection, "state": state, "at": days_ago(days)},
        )
    await oms.connection.execute("INSERT INTO bulk_operation_answers SELECT 1, n, 'x' FROM generate_series(1, 5) n")
    assert await prune_bulk_operations(oms.connection, oms.settings, chunk=2) == 1
    found = await oms.rows("SELECT operation_id, state, selection ? 'metadata' AS has FROM bulk_operations ORDER BY 1")
    assert [tuple(row.values()) for row in found] == [
        (2, "REJECTED", False),
        (3, "STOPPED", False),
        (4, "WAITING", True),
    ]
    assert len(await oms.rows("SELECT FROM operator_actions WHERE action = 'end_operation'")) == 2


async def test_a_connection_to_kafka_that_makes_no_producer_ends_no_slice(
    oms: Oms, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The events wait, and the log says why."""
    await ended(oms)
    await oms.connection.execute("UPDATE final_events SET published_at = NULL")

    def broken(_: object) -> None:
        raise ValueError("No such configuration property")

    monkeypatch.setattr(publishing.Publisher, "producer", broken)
    async with publishing.publishing_ends(oms.url, oms.settings, soon=True) as tell_ends:
        tell_ends()
    assert "final events could not be published now: ValueError" in caplog.text


async def test_an_hour_that_takes_too_long_is_reconciled_in_pieces() -> None:
    begin = days_ago(2)
    window = Window(begin, begin + timedelta(hours=3))
    done: list[Window] = []

    async def statement(piece: Window) -> None:
        if piece.window_to - piece.window_from > timedelta(minutes=20):
            raise QueryCanceled
        done.append(piece)

    await window.each_piece(statement)
    assert [piece.window_from for piece in done] == [begin, *(piece.window_to for piece in done[:-1])]
    assert (done[-1].window_to, len(done)) == (window.window_to, 12)

    async def always_too_slow(_: Window) -> None:
        raise QueryCanceled

    with pytest.raises(QueryCanceled):
        await window.each_piece(always_too_slow)


async def test_an_error_that_nobody_foresaw_is_one_requests_own(
    oms: Oms, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """In the making of a document, and in the verdict on a batch. The log has the place, and no text."""
    ids = await oms.queued(3)

    def make_or_fail(**given: Any) -> str:
        if given["attributes"]["request"] == str(ids[0]):
            raise TypeError("Jane Q. Marker")
        return document_xml(**given)

    monkeypatch.setattr(enrichment, "document_xml", make_or_fail)
    oms.settings = oms.settings.model_copy(update={"max_attempts": 1})
    await oms.run_processing()
    assert [(await oms.request(it))["stage"] for it in ids] == ["ENRICHMENT", "GENERATION", "GENERATION"]
    assert [row["category"] for row in await oms.rows("SELECT category FROM request_errors")] == ["INTERNAL_ERROR"]

    def verdict_or_error(batch: Any, *more: Any) -> Any:
        if batch.request_id == ids[1]:
            raise KeyError("Jane Q. Marker")
        return verdict_of(batch, *more)

    monkeypatch.setattr(monitoring, "verdict_of", verdict_or_error)
    oms.thunderhead.end("COMPLETED")
    await oms.due_now()
    await oms.run_monitoring()
    assert [(await oms.request(it))["status"] for it in ids] == ["FAILED", "PROCESSING", "COMPLETED"]
    assert "TypeError at" in caplog.text
    assert "KeyError at" in caplog.text
    assert "Jane" not in caplog.text
    assert "Jane" not in str(await oms.rows("SELECT description FROM request_errors"))


async def test_events_with_a_topic_do_not_wait_for_those_without(
    oms: Oms, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A request that was withdrawn before enrichment has no topic yet, and there is no Connection to ask for it."""
    withdrawn, good = await ended(oms), await ended(oms)
    await oms.connection.execute("UPDATE final_events SET published_at = NULL, topic = NULL")
    await oms.connection.execute("UPDATE document_requests SET attempts = 0 WHERE request_id = %s", (withdrawn,))
    sent: list[str] = []

    class Broker:
        def produce(self, _topic: str, *, key: str, on_delivery: Any, **_: Any) -> None:
            sent.append(key)
            on_delivery(None, None)

        def poll(self, _: float) -> int:
            return 0

        def flush(self, _: float) -> int:
            return 0

    monkeypatch.setattr(publishing.Publisher, "producer", lambda _: Broker())
    with publishing.Publisher(oms.url, oms.settings) as publisher:
        await asyncio.to_thread(publisher.publish)
    assert sent == [str(good)]
    assert "some events wait for the name of their topic: AirflowNotFoundException" in caplog.text
