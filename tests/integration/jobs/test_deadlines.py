"""The age alarms: every open state has its deadline; told once, after several looks in a row, and once when well."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from include.jobs import hooks
from include.jobs.watchers import LateWork
from include.oms.testing.made import days_ago, ended
from include.oms.testing.system import Oms
from include.oms.upkeep.deadlines import (
    ALARM_CHECKS,
    DeadlineCheck,
    OpenState,
    check_deadlines,
    checks_needed,
    deadline_seconds,
    mark_told,
    needs_a_check,
)
from include.oms.words.model import Job


async def look(oms: Oms) -> dict[OpenState, DeadlineCheck]:
    """One look."""
    return {it.state: it for it in await check_deadlines(oms.connection, oms.settings)}


async def late_states(oms: Oms) -> set[OpenState]:
    return {state for state, it in (await look(oms)).items() if it.is_late}


async def queued(oms: Oms) -> int:
    (request_id,) = await oms.queued(due_at=days_ago(1))
    return request_id


async def held(oms: Oms) -> int:
    (request_id,) = await oms.queued()
    await oms.claim(Job.PROCESSING)
    await oms.connection.execute("UPDATE slices SET claimed_at = now() - interval '1 day'")
    return request_id


async def at_thunderhead(oms: Oms) -> int:
    (request_id,) = await oms.queued()
    await oms.run_processing()
    await oms.connection.execute("UPDATE thunderhead_batches SET next_poll_at = now()")
    return request_id


async def polls_are_due(oms: Oms) -> int:
    request_id = await at_thunderhead(oms)
    await oms.connection.execute("UPDATE thunderhead_batches SET next_poll_at = now() - interval '1 day'")
    return request_id


async def long_at_thunderhead(oms: Oms) -> int:
    request_id = await at_thunderhead(oms)
    await oms.connection.execute(
        "UPDATE thunderhead_batches SET submitted_at = now() - interval '1 day', asked_seconds = 80000"
    )
    return request_id


async def in_nobodys_hands(oms: Oms) -> int:
    request_id = await at_thunderhead(oms)
    await oms.connection.execute("UPDATE thunderhead_batches SET status = 'FAILED'")
    return request_id


async def event_waits(oms: Oms) -> int:
    request_id = await ended(oms, days=1)
    await oms.connection.execute("UPDATE final_events SET published_at = NULL")
    return request_id


async def event_set_aside(oms: Oms) -> int:
    request_id = await ended(oms, days=1)
    await oms.connection.execute(
        """UPDATE final_events SET published_at = NULL, set_aside_at = now() - interval '1 minute',
           set_aside_reason = 'Broker: Topic authorization failed'"""
    )
    return request_id


async def duty_missed(oms: Oms) -> str:
    await oms.connection.execute(
        "UPDATE daily_duties SET done_at = now() - interval '27 hours' WHERE duty = 'reconciliation'"
    )
    return "reconciliation"


async def paused(oms: Oms) -> str:
    await oms.connection.execute(
        """UPDATE outside_systems SET paused_at = now() - interval '1 day', paused_by = 'ann'
           WHERE system = 'THUNDERHEAD'"""
    )
    return "THUNDERHEAD *"


async def run_open(oms: Oms) -> str:
    (row,) = await oms.rows(
        """INSERT INTO runs (source_system, name, content_hash, expected, proofs, deadline, opened_by)
           VALUES ('CIBT', 'JUNE', '', 1, 0, now() - interval '1 hour', 'client:test') RETURNING run_id"""
    )
    await oms.connection.execute(  # its hold has no deadline of its own
        """INSERT INTO request_holds (source_system, run_id, reason, held_by, held_at)
           VALUES ('CIBT', %s, 'a run', 'client:test', now() - interval '1 year')""",
        (row["run_id"],),
    )
    return f"run {row['run_id']}"


async def out(oms: Oms) -> str:
    await oms.connection.execute(
        "UPDATE outside_systems SET failures = 1, open_until = now() - interval '1 s' WHERE system = 'REFERENCE_DATA'"
    )
    return "REFERENCE_DATA *"


LATE: dict[OpenState, Callable[[Oms], Awaitable[object]]] = {
    OpenState.QUEUED: queued,
    OpenState.HELD: held,
    OpenState.POLL_DUE: polls_are_due,
    OpenState.AT_THUNDERHEAD: long_at_thunderhead,
    OpenState.IN_NOBODYS_HANDS: in_nobodys_hands,
    OpenState.EVENT_WAITING: event_waits,
    OpenState.EVENT_SET_ASIDE: event_set_aside,
    OpenState.DUTY_MISSED: duty_missed,
    OpenState.PAUSED: paused,
    OpenState.RUN_OPEN: run_open,
    OpenState.OUT: out,
}


def test_every_state_has_a_deadline_and_a_test() -> None:
    from include.oms.base.settings import Settings

    assert set(LATE) == set(OpenState) == set(deadline_seconds(Settings()))


@pytest.mark.parametrize("state", OpenState)
async def test_what_is_older_than_its_deadline_is_counted_and_the_oldest_named(oms: Oms, state: OpenState) -> None:
    oldest = await LATE[state](oms)
    found = await look(oms)
    assert {it.state for it in found.values() if it.is_late} == {state}
    assert (found[state].number, found[state].oldest) == (1, str(oldest))


async def test_what_is_on_its_way_is_not_late(oms: Oms) -> None:
    await oms.queued(2)
    await at_thunderhead(oms)
    await ended(oms)
    await oms.queued(not_before=None, due_at=days_ago(-1))
    await oms.claim(Job.PROCESSING)
    assert await late_states(oms) == set()


@pytest.mark.parametrize("why", [paused, out])
async def test_what_waits_for_a_system_is_not_late_but_the_system_is(
    oms: Oms, why: Callable[[Oms], Awaitable[str]]
) -> None:
    await queued(oms)
    system = await why(oms)
    assert await late_states(oms) == {OpenState.PAUSED if "THUNDERHEAD" in system else OpenState.OUT}


async def test_a_pause_of_kafka_does_not_silence_that_events_wait(oms: Oms) -> None:
    await event_waits(oms)
    await oms.connection.execute(
        "UPDATE outside_systems SET paused_at = now(), paused_by = 'ann' WHERE system = 'KAFKA'"
    )
    assert await late_states(oms) == {OpenState.EVENT_WAITING}


async def test_a_breaker_whose_end_has_passed_excuses_nothing(oms: Oms) -> None:
    await queued(oms)
    await oms.connection.execute(
        """UPDATE outside_systems SET failures = 3, open_until = now() - interval '1 hour'
           WHERE system = 'THUNDERHEAD'"""
    )
    assert await late_states(oms) == {OpenState.QUEUED}


async def test_a_lease_that_ran_out_holds_nothing(oms: Oms) -> None:
    await held(oms)
    await oms.connection.execute("UPDATE document_requests SET lease_until = now() - interval '1 hour'")
    assert await late_states(oms) == {OpenState.QUEUED}


async def test_told_once_after_several_looks_in_a_row_and_once_when_well(oms: Oms) -> None:
    told: list[bool] = []
    for n in range(8):
        if n == 0:
            await queued(oms)
        if n == 5:
            await oms.connection.execute("UPDATE document_requests SET due_at = now()")
        found = (await look(oms))[OpenState.QUEUED]
        told.append(found.to_tell)
        if found.to_tell:
            await mark_told(oms.connection, [found])
    assert told == [False, False, True, False, False, False, False, True]


async def test_an_interruption_starts_the_count_anew(oms: Oms) -> None:
    request_id = await queued(oms)
    told = []
    for late in (True, True, False, True, True, True):
        await oms.connection.execute(
            "UPDATE document_requests SET due_at = now() - %s * interval '1 day' WHERE request_id = %s",
            (int(late), request_id),
        )
        told.append((await look(oms))[OpenState.QUEUED].to_tell)
    assert told == [False] * 5 + [True]


async def test_what_could_not_be_told_is_told_by_the_next_look(oms: Oms) -> None:
    await queued(oms)
    told = [(await look(oms))[OpenState.QUEUED].to_tell for _ in range(5)]
    assert told == [False, False, True, True, True]


async def test_an_outage_has_as_many_looks_as_its_deadline_has_minutes(oms: Oms) -> None:
    assert checks_needed(OpenState.OUT, oms.settings) == 15
    await out(oms)
    told = [(await look(oms))[OpenState.OUT].to_tell for _ in range(15)]
    assert told == [False] * 14 + [True]


async def test_a_look_is_needed_from_the_first_late_one_until_it_was_told_that_all_is_well(oms: Oms) -> None:
    assert not await needs_a_check(oms.connection, oms.settings)
    await look(oms)
    assert not await needs_a_check(oms.connection, oms.settings), "all is well"
    await paused(oms)
    for is_paused in (True, False):
        if not is_paused:
            await oms.connection.execute("UPDATE outside_systems SET paused_at = NULL, paused_by = NULL")
        for _ in range(ALARM_CHECKS):
            assert await needs_a_check(oms.connection, oms.settings)
            looks = await look(oms)
        await mark_told(oms.connection, [it for it in looks.values() if it.to_tell])
        assert await needs_a_check(oms.connection, oms.settings) == is_paused


async def test_what_was_late_for_one_look_only_needs_one_more(oms: Oms) -> None:
    await paused(oms)
    await look(oms)
    await oms.connection.execute("UPDATE outside_systems SET paused_at = NULL, paused_by = NULL")
    assert await needs_a_check(oms.connection, oms.settings)
    await look(oms)
    assert not await needs_a_check(oms.connection, oms.settings)


@pytest.mark.parametrize("database", ["there, and all is well", "there, and work is late", "out of reach"])
async def test_the_watcher_fires_where_there_is_something_to_say_or_nobody_knows(
    oms: Oms, monkeypatch: pytest.MonkeyPatch, database: str
) -> None:
    async def url() -> str:
        return "host=127.0.0.1 port=1" if database == "out of reach" else oms.url

    monkeypatch.setattr(hooks, "oms_database_url_async", url)
    if "late" in database:
        await polls_are_due(oms)
    events = LateWork(interval_seconds=0.05).run()
    try:
        if "well" in database:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(events), 0.5)
        else:
            for _ in range(2):
                await asyncio.wait_for(anext(events), 60)
    finally:
        await events.aclose()  # type: ignore[attr-defined]


async def test_a_pause_is_not_thunderheads_delay(oms: Oms) -> None:
    """A batch is late by the time in which Thunderhead was asked for it, during the pause and just after it."""
    await at_thunderhead(oms)
    await oms.connection.execute("UPDATE thunderhead_batches SET submitted_at = now() - interval '1 day'")
    pause = "UPDATE outside_systems SET paused_at = %s, paused_by = %s WHERE system = 'THUNDERHEAD'"
    for paused in ((days_ago(1), "ada"), (None, None)):
        await oms.connection.execute(pause, paused)
        checks = {check.state: check for check in await check_deadlines(oms.connection, oms.settings)}
        assert not checks[OpenState.AT_THUNDERHEAD].is_late
