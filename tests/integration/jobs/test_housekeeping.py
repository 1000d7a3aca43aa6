"""What is not kept for ever: content, published events, slices, and at last skeleton and timeline."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from psycopg.errors import QueryCanceled
from pydantic import ValidationError

from include.jobs import housekeeping as jobs
from include.oms.base.settings import Settings
from include.oms.ending.retrigger import retrigger_requests
from include.oms.operators.bulk_operations import count_selection
from include.oms.operators.selection import Selection
from include.oms.testing.made import batch, days_ago, ended
from include.oms.testing.outside import problem
from include.oms.testing.system import Oms
from include.oms.upkeep.duties import Duty
from include.oms.upkeep.housekeeping import erase_content, prune_events, prune_requests, prune_slices, retention_days
from include.oms.words.model import Job


async def old_request(oms: Oms, days: float = 100, **more: Any) -> int:
    """A request that ended long ago, with a batch."""
    request_id = await ended(oms, days=days, metadata={"COUNTRY": "SE", "FOOTER_ID": "7"}, **more)
    await batch(oms, request_id, "FAILED")
    return request_id


async def has_content(oms: Oms, request_id: int) -> list[bool]:
    """Whether payload, metadata and XML are there."""
    (row,) = await oms.rows(
        """SELECT EXISTS (SELECT FROM request_payloads WHERE request_id = %(id)s) AS payload,
                  EXISTS (SELECT FROM request_metadata WHERE request_id = %(id)s) AS metadata,
                  EXISTS (SELECT FROM batch_payloads JOIN thunderhead_batches USING (batch_key)
                          WHERE request_id = %(id)s) AS xml""".replace("%(id)s", str(request_id))
    )
    return list(row.values())


async def test_content_goes_and_the_skeleton_stays(oms: Oms) -> None:
    old, young = await old_request(oms), await old_request(oms, days=80)
    before = await oms.request(old)

    assert await erase_content(oms.connection, oms.settings) == 1

    assert await has_content(oms, old) == [False, False, False]
    assert await has_content(oms, young) == [True, True, True]
    after = await oms.request(old)
    assert after["erased_at"] is not None
    assert {**after, "erased_at": None} == before
    assert await oms.timeline(old) == ["ACCEPTED", "FAILED", "ERASED"]
    (entry,) = await oms.rows("SELECT actor, detail FROM request_timeline WHERE event = 'ERASED'")
    assert entry == {"actor": "oms_housekeeping", "detail": {"retention_days": 90}}


async def test_each_document_type_has_its_retention(oms: Oms) -> None:
    settings = oms.settings.model_copy(update={"retention_days_by_document_type": {"INVOICE": 2555, "NOTE": 2}})
    invoice, letter = await old_request(oms), await old_request(oms, document_type="LETTER")
    note, young_note = [await old_request(oms, days=days, document_type="NOTE") for days in (3, 1)]

    assert await erase_content(oms.connection, settings) == 2

    kept = [(await has_content(oms, request_id))[0] for request_id in (invoice, letter, note, young_note)]
    assert kept == [True, False, False, True]


def test_the_retention_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMS_RETENTION_DAYS_BY_DOCUMENT_TYPE", '{"INVOICE": 2555}')
    assert [retention_days(it, Settings()) for it in ("INVOICE", "LETTER")] == [2555, 90]
    monkeypatch.setenv("OMS_RETENTION_DAYS_BY_DOCUMENT_TYPE", '{"INVOICE": 0}')
    with pytest.raises(ValidationError, match="INVOICE"):
        Settings()


SLOW = """
    CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.1); RETURN NULL; END $$;
    CREATE TRIGGER slow AFTER DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION slow()"""


@pytest.mark.parametrize("table", ["request_payloads", "request_metadata", "batch_payloads"])
async def test_a_chunk_that_is_too_slow_is_halved(oms: Oms, table: str) -> None:
    """A row takes 0.1 s to erase, a statement may take 0.5 s."""
    for _ in range(10):
        await old_request(oms)
    await oms.connection.execute(SLOW.format(table=table))
    await oms.connection.execute("SET statement_timeout = 500")
    assert await erase_content(oms.connection, oms.settings) == 10


@pytest.mark.parametrize(("prune", "table"), [(prune_events, "final_events"), (prune_slices, "slices")])
async def test_so_it_is_with_what_is_forgotten(oms: Oms, prune: Any, table: str) -> None:
    for number in range(10):
        await old_request(oms)
        await oms.connection.execute(
            """INSERT INTO slices (job, dag_run_id, ordinal, label, size, claimed_at)
               VALUES ('document_processing', 'run', %s, '', 1, now() - interval '100 days')""",
            [number],
        )
    await oms.connection.execute(SLOW.format(table=table))
    await oms.connection.execute("SET statement_timeout = 500")
    assert await prune(oms.connection, oms.settings) == 10


async def test_what_is_too_slow_even_alone_is_told(oms: Oms) -> None:
    await old_request(oms)
    await oms.connection.execute(SLOW.format(table="request_payloads"))
    await oms.connection.execute("SET statement_timeout = 50")
    with pytest.raises(QueryCanceled):
        await erase_content(oms.connection, oms.settings)


async def test_in_chunks_and_once(oms: Oms) -> None:
    for _ in range(5):
        await old_request(oms)
    assert await erase_content(oms.connection, oms.settings, chunk=2) == 5
    assert await erase_content(oms.connection, oms.settings, chunk=2) == 0
    assert len(await oms.rows("SELECT FROM request_timeline WHERE event = 'ERASED'")) == 5


async def test_what_is_open_is_never_erased(oms: Oms) -> None:
    (request_id,) = await oms.queued(created_at=days_ago(1000), due_at=days_ago(1000))
    assert await erase_content(oms.connection, oms.settings) == 0
    assert (await has_content(oms, request_id))[0]


async def test_erased_and_retriggered_it_ends_at_once_with_the_reason(oms: Oms) -> None:
    oms.reference_data.unknown_documents.add("IVZRECPA")  # its footer is gone, too: that is not what is told
    request_id = await old_request(oms, stage="GENERATION")
    await erase_content(oms.connection, oms.settings)
    await retrigger_requests(oms.connection, [request_id], actor="test")

    (report,) = await oms.run_processing()

    (end,) = report.red_ends
    assert (end.stage, end.category) == ("ENRICHMENT", "VALIDATION_ERROR")
    assert "erased at the end of its retention" in (end.description or "")
    assert oms.thunderhead.batches == []


async def test_an_intent_in_doubt_is_looked_up_and_never_submitted_without_its_content(oms: Oms) -> None:
    request_id = await ended(oms, days=100, stage="SUBMISSION", category="WORKER_DIED")
    await batch(oms, request_id, "PROCESSING_OMS", unsure_since=days_ago(100))
    await erase_content(oms.connection, oms.settings)
    await retrigger_requests(oms.connection, [request_id], actor="test")

    (report,) = await oms.run_processing()

    assert oms.thunderhead.calls == {"find": 1}
    (end,) = report.red_ends
    assert (end.stage, end.category) == ("SUBMISSION", "VALIDATION_ERROR")
    assert "erased" in (end.description or "")


async def test_published_events_are_forgotten_and_no_others(oms: Oms) -> None:
    published, waiting, set_aside, young = [await ended(oms, days=days) for days in (100, 100, 100, 10)]
    await oms.connection.execute(
        "UPDATE final_events SET published_at = NULL WHERE request_id IN (%s, %s)", (waiting, set_aside)
    )
    await oms.connection.execute(
        "UPDATE final_events SET set_aside_at = now(), set_aside_reason = 'x' WHERE request_id = %s", (set_aside,)
    )
    assert await prune_events(oms.connection, oms.settings, chunk=1) == 1
    assert [row["request_id"] for row in await oms.events()] == [waiting, set_aside, young]
    assert published


async def test_slices_are_forgotten_but_for_what_an_error_or_a_lease_names(oms: Oms) -> None:
    oms.settings = oms.settings.model_copy(update={"slice_size": 1, "concurrency": 1})
    await oms.queued(3)
    plain, with_error, leased = await oms.claim(Job.PROCESSING)
    await oms.process(plain)
    oms.thunderhead.submit_answers = [problem(422)]
    await oms.process(with_error)
    await oms.connection.execute("UPDATE slices SET claimed_at = now() - interval '40 days'")
    (young,) = await oms.claim(Job.MONITORING)

    assert await prune_slices(oms.connection, oms.settings, chunk=1) == 1

    left = await oms.rows("SELECT slice_id FROM slices ORDER BY slice_id")
    assert [row["slice_id"] for row in left] == [with_error, leased, young]
    oms.thunderhead.end("COMPLETED")
    await oms.poll(young)  # the batch was submitted by the slice that is gone
    batches = await oms.rows("SELECT status FROM thunderhead_batches ORDER BY batch_key")
    assert [row["status"] for row in batches] == ["COMPLETED", "FAILED"]


async def everything_of(oms: Oms, request_id: int) -> int:
    """The number of rows that name the request, in all tables."""
    named = await oms.rows(
        """SELECT table_name
           FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
           WHERE column_name = 'request_id' AND table_type = 'BASE TABLE' AND table_schema = 'public'"""
    )
    counts = [
        await oms.rows(f"SELECT count(*) AS n FROM {it['table_name']} WHERE request_id = {request_id}") for it in named
    ]
    return sum(count[0]["n"] for count in counts)


async def test_a_request_is_forgotten_as_a_whole_once_its_id_need_not_be_remembered(oms: Oms) -> None:
    settings = oms.settings.model_copy(update={"retention_days_by_document_type": {"INVOICE": 2555}})
    kept, young = await old_request(oms, days=500), await old_request(oms, days=300, document_type="LETTER")
    waiting, old = [await old_request(oms, days=500, document_type="LETTER") for _ in range(2)]
    await oms.connection.execute("UPDATE final_events SET published_at = NULL WHERE request_id = %s", [waiting])
    await erase_content(oms.connection, settings)

    assert await prune_requests(oms.connection, settings, chunk=1) == 1

    left = await oms.rows("SELECT request_id FROM document_requests ORDER BY request_id")
    assert [row["request_id"] for row in left] == sorted([kept, young, waiting]), "content, age, an event that waits"
    assert await everything_of(oms, old) == 0
    assert await everything_of(oms, young) > 4


async def test_a_run_is_forgotten_with_its_last_request(oms: Oms) -> None:
    opened = """INSERT INTO runs (source_system, name, content_hash, expected, proofs, deadline, opened_by, closed_at,
                                  closed_by, completed_at)
                SELECT 'CIBT', name, '', 1, 0, now(), 'x', now(), 'x', now() - days * interval '1 day'
                FROM (VALUES ('old', 500), ('young', 300)) AS v (name, days) RETURNING run_id"""
    old, young = [row["run_id"] for row in await oms.rows(opened)]
    await oms.connection.execute(
        """INSERT INTO request_holds (source_system, run_id, reason, held_by, released_by, released_at)
           VALUES ('CIBT', %(run)s, 'a run', 'x', 'y', now())""",
        {"run": old},
    )
    await oms.connection.execute(
        """INSERT INTO final_events (run_id, revision, event_id, event, published_at)
           VALUES (%s, 1, gen_random_uuid(), '{}', now())""",
        [old],
    )
    of_old, of_young = [await old_request(oms, days=500, run_id=it) for it in (old, young)]
    await erase_content(oms.connection, oms.settings)

    assert await prune_requests(oms.connection, oms.settings) == 1

    assert [row["run_id"] for row in await oms.rows("SELECT run_id FROM runs")] == [young]
    assert await everything_of(oms, of_old) == 0
    assert await everything_of(oms, of_young) > 4
    assert await oms.rows("SELECT FROM request_holds") == []


async def test_what_was_erased_can_still_be_found(oms: Oms) -> None:
    await old_request(oms)
    await erase_content(oms.connection, oms.settings)
    found = Selection(statuses=("FAILED",), document_type="INVOICE")
    assert (await count_selection(oms.connection, found)).total == 1


@pytest.mark.parametrize("duty", [Duty.ERASE_CONTENT, Duty.PRUNE_EVENTS, Duty.PRUNE_SLICES, Duty.PRUNE_REQUESTS])
async def test_a_duty_that_was_done_is_noted(oms: Oms, monkeypatch: pytest.MonkeyPatch, duty: Duty) -> None:
    monkeypatch.setattr(jobs, "oms_database_url", lambda: oms.url)
    await oms.connection.execute("UPDATE daily_duties SET done_at = now() - interval '2 days'")
    await asyncio.to_thread(getattr(jobs, duty))
    done = await oms.rows("SELECT duty FROM daily_duties WHERE done_at > now() - interval '1 day'")
    assert [row["duty"] for row in done] == [duty]
