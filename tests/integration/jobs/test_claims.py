"""Claims: who gets what, in which order, and what becomes of work whose worker died."""

from __future__ import annotations

import asyncio

from include.oms.base import database
from include.oms.outside.breaker import REQUESTS_ON_PROBATION
from include.oms.processing.worker import held_requests
from include.oms.slices.claim import claim_slices
from include.oms.slices.cutting import MAX_TAKEOVERS
from include.oms.slices.lease import Lease
from include.oms.testing.system import Oms
from include.oms.words.model import Job


async def claimed_ids(oms: Oms) -> list[int]:
    """The requests of one claim, slice by slice."""
    ids = []
    for slice_id in await oms.claim(Job.PROCESSING):
        found = await oms.rows(
            "SELECT request_id FROM document_requests WHERE slice_id = %s ORDER BY rank_at, request_id", slice_id
        )
        ids += [row["request_id"] for row in found]
    return ids


async def test_two_claimers_at_once_share_nothing_and_leave_nothing(oms: Oms) -> None:
    await oms.queued(40)

    async def claim(run: str) -> list[int]:
        async with await database.connect(oms.url, oms.settings, application_name=run) as connection:
            claim = await claim_slices(connection, Job.PROCESSING, run, oms.settings)
            return [reference["slice_id"] for reference in claim.slices]

    slices = await asyncio.gather(*(claim(f"claimer-{n}") for n in range(4)))

    assert len({slice_id for found in slices for slice_id in found}) == sum(map(len, slices))
    (row,) = await oms.rows("SELECT count(*) AS n FROM document_requests WHERE status = 'PROCESSING'")
    assert row["n"] == 40


async def test_source_systems_take_turns(oms: Oms) -> None:
    await oms.queued(200, source_system="ARCADE")
    (single,) = await oms.queued(source_system="CIBT")
    assert single in (await claimed_ids(oms))[:10]


async def test_high_goes_first_and_waiting_ages(oms: Oms) -> None:
    (normal,) = await oms.queued()
    (low_but_old,) = await oms.queued(priority="LOW", due_at="2026-01-01")
    (high,) = await oms.queued(priority="HIGH")
    (low,) = await oms.queued(priority="LOW")
    assert await claimed_ids(oms) == [low_but_old, high, normal, low]


async def test_nothing_before_its_time(oms: Oms) -> None:
    await oms.queued(due_at="2999-01-01")
    await oms.queued(due_at="2999-01-01", priority="HIGH")
    assert await oms.claim(Job.PROCESSING) == []


async def test_a_dead_workers_requests_go_to_a_later_run(oms: Oms) -> None:
    (request_id,) = await oms.queued()
    (slice_id,) = await oms.claim(Job.PROCESSING)
    await oms.hold(slice_id)
    assert await oms.claim(Job.PROCESSING) == [], "not while the lease holds"
    await oms.workers_die()

    (processed,) = await oms.run_processing()

    assert processed.counts["submitted"] == 1
    assert await oms.timeline(request_id) == ["CLAIMED", "TAKEN_OVER", "SUBMITTED"]


async def test_a_request_whose_workers_die_again_and_again_is_set_aside(oms: Oms) -> None:
    (request_id,) = await oms.queued()
    for _ in range(MAX_TAKEOVERS + 1):
        for slice_id in await oms.claim(Job.PROCESSING):
            await oms.hold(slice_id)
        await oms.workers_die()

    (processed,) = await oms.run_processing()

    (end,) = processed.red_ends
    assert (end.request_id, end.category) == (request_id, "WORKER_DIED")


async def test_a_worker_whose_slice_was_reopened_can_write_nothing(oms: Oms) -> None:
    await oms.queued()
    (slice_id,) = await oms.claim(Job.PROCESSING)
    first = await oms.hold(slice_id)
    assert len(await held_requests(first)) == 1

    await oms.process(slice_id)  # Airflow ran the task instance again

    assert await held_requests(first) == []
    await first.lease.renew(oms.connection, "renew_request_leases", oms.settings.lease_seconds)
    assert not first.lease.holds_for(0)


async def test_a_lease_that_was_never_renewed_is_not_relied_upon() -> None:
    assert not Lease(slice_id=1, token=1).holds_for(0)


async def test_a_reopened_slice_doubts_what_its_former_worker_may_have_sent(oms: Oms) -> None:
    (request_id,) = await oms.queued()
    (slice_id,) = await oms.claim(Job.PROCESSING)
    lease = (await oms.hold(slice_id)).lease
    await database.rows(
        oms.connection, "write_intents", request_ids=[request_id], config_ids=["1"], topics=[None], xmls=["<a/>"],
        prefix="OMS", slice_id=slice_id, lease_token=lease.token,
    )  # fmt: skip

    await oms.process(slice_id)  # the former worker may be alive, and may submit until its lease runs out

    assert oms.thunderhead.batches == []
    assert (await oms.request(request_id))["status"] == "QUEUED"
    (batch,) = await oms.rows("SELECT unsure_since > now() AS ahead FROM thunderhead_batches")
    assert batch["ahead"]


async def test_a_request_that_kills_its_worker_is_soon_alone(oms: Oms) -> None:
    await oms.queued(oms.settings.slice_size)
    sizes = []
    for _ in range(3):
        claimed = await oms.claim(Job.PROCESSING)
        (first, *_) = [row["size"] for row in await oms.rows("SELECT size FROM slices ORDER BY slice_id DESC")]
        sizes.append(first)
        for slice_id in claimed:
            await oms.hold(slice_id)
        await oms.workers_die()
    assert sizes == [10, 1, 1]


async def test_dead_workers_requests_do_not_stand_in_the_way_of_a_probation(oms: Oms) -> None:
    oms.settings = oms.settings.model_copy(update={"slice_size": 10 * REQUESTS_ON_PROBATION})
    await oms.queued(3 * REQUESTS_ON_PROBATION)
    for slice_id in await oms.claim(Job.PROCESSING):
        await oms.hold(slice_id)
    await oms.workers_die()
    await oms.connection.execute(
        "UPDATE outside_systems SET failures = 1, open_until = now() WHERE system = 'REFERENCE_DATA'"
    )

    (processed,) = await oms.run_processing()

    assert processed.counts["submitted"] == REQUESTS_ON_PROBATION


async def set_system(oms: Oms, document_type: str, **columns: object) -> None:
    """Set Thunderhead's settings for a document type."""
    for name, value in columns.items():
        await oms.connection.execute(
            f"""INSERT INTO outside_systems (system, document_type, {name}) VALUES ('THUNDERHEAD', %s, %s)
                ON CONFLICT (system, document_type) DO UPDATE SET {name} = excluded.{name}""",
            (document_type, value),
        )


async def test_most_in_flight_counts_what_is_at_thunderhead(oms: Oms) -> None:
    await set_system(oms, "*", most_in_flight=3)
    await oms.queued(5)
    assert len(await claimed_ids(oms)) == 3
    assert await claimed_ids(oms) == []
    await oms.workers_die()
    await oms.run_processing()
    assert await claimed_ids(oms) == [], "all three are being generated"
    oms.thunderhead.end("COMPLETED")
    await oms.due_now()
    await oms.run_monitoring()
    assert len(await claimed_ids(oms)) == 2


async def test_a_document_type_has_a_dial_of_its_own(oms: Oms) -> None:
    await set_system(oms, "POLICY", most_in_flight=1)
    await oms.queued(3, document_type="POLICY")
    await oms.queued(3, document_type="INVOICE")
    assert len(await claimed_ids(oms)) == 4


async def test_a_document_types_own_rate_bounds_what_is_held_of_it(oms: Oms) -> None:
    """A worker keeps a request for 60 s at the most: of one in four seconds, 15."""
    oms.settings = oms.settings.model_copy(update={"slice_size": 100, "slice_seconds": 60})
    await set_system(oms, "POLICY", most_per_second=0.25)
    await oms.queued(30, document_type="POLICY")
    await oms.queued(3, document_type="INVOICE")
    assert len(await claimed_ids(oms)) == 15 + 3
    assert await claimed_ids(oms) == [], "fifteen are in hand"


async def test_a_type_without_room_stands_in_nobodys_way(oms: Oms) -> None:
    oms.settings = oms.settings.model_copy(update={"max_slices": 1})
    await set_system(oms, "POLICY", most_in_flight=1)
    await oms.queued(3 * oms.settings.slice_size, document_type="POLICY")
    (invoice,) = await oms.queued(document_type="INVOICE")
    assert len(await claimed_ids(oms)) == 1
    await oms.connection.execute(
        "UPDATE slices SET lease_until = NULL"
    )  # its worker has ended; the request is in flight
    assert await claimed_ids(oms) == [invoice]


async def test_a_paused_document_type_waits_and_the_others_go_on(oms: Oms) -> None:
    await oms.connection.execute(
        "INSERT INTO outside_systems (system, document_type, paused_at, paused_by)"
        " VALUES ('THUNDERHEAD', 'POLICY', now(), 'operator')"
    )
    (policy,) = await oms.queued(document_type="POLICY")
    (invoice,) = await oms.queued(document_type="INVOICE")
    assert await claimed_ids(oms) == [invoice]
    assert (await oms.request(policy))["status"] == "QUEUED"


async def test_a_paused_thunderhead_is_left_alone(oms: Oms) -> None:
    await oms.queued()
    await oms.connection.execute(
        "UPDATE outside_systems SET paused_at = now(), paused_by = 'operator' WHERE system = 'THUNDERHEAD'"
    )
    claim = await claim_slices(oms.connection, Job.PROCESSING, "run", oms.settings)
    assert claim.slices == []
    assert "paused by operator" in (claim.why_none or "")
