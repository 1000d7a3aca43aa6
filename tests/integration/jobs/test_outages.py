"""An outage is nobody's failure: no attempt is spent, everything ends well once the system is back."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from include.oms.outside.breaker import FAILURES_THAT_OPEN
from include.oms.outside.door import RETRY_AFTER_MAX_SECONDS
from include.oms.processing.recording import SUBMITS_FOR_FREE
from include.oms.testing.outside import Answer, cut, hang, problem, raw
from include.oms.testing.system import Oms

pytestmark = pytest.mark.usefixtures("both_modes")

OUTAGES: dict[str, Answer] = {
    "503": problem(503),
    "503 with Retry-After": problem(503, {"Retry-After": "60"}),
    "500": problem(500),
    "401": problem(401),
    "403 without a word": raw(403, b""),
    "429": problem(429),
    "a proxy's page": raw(502, b"<html>Bad Gateway</html>", "text/html"),
    "cut": cut,
    "hang": hang,
}
ROUNDS_OF_TEN_MINUTES = 12  # the breaker lets a few requests try once a minute


@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES)
async def test_ten_minutes_of_it_cost_no_attempt(oms: Oms, outage: Answer) -> None:
    ids = await oms.queued(12)
    await oms.run_processing()
    ids += await oms.queued(12)
    oms.thunderhead.always = outage
    for _ in range(ROUNDS_OF_TEN_MINUTES):
        await oms.due_now()
        for report in [*await oms.run_processing(), *await oms.run_monitoring()]:
            assert report.red_ends == []
    oms.thunderhead.always = None

    for _ in range(8):
        await oms.due_now()
        await oms.run_processing()
        oms.thunderhead.end("COMPLETED")
        await oms.due_now()
        await oms.run_monitoring()

    found = [await oms.request(request_id) for request_id in ids]
    assert {(row["status"], row["spent"], row["attempts"]) for row in found} == {("COMPLETED", 0, 1)}
    assert oms.thunderhead.doubled() == []


async def test_an_open_breaker_is_shared_and_closes_with_the_first_answer(oms: Oms) -> None:
    await oms.queued(FAILURES_THAT_OPEN)
    oms.thunderhead.always = problem(401)
    await oms.run_processing()
    calls = oms.thunderhead.calls["submit"]
    await oms.connection.execute("UPDATE document_requests SET due_at = now()")
    assert await oms.run_processing() == []
    assert oms.thunderhead.calls["submit"] == calls

    oms.thunderhead.always = None
    await oms.due_now()
    await oms.run_processing()
    (row,) = await oms.rows("SELECT failures, open_until FROM outside_systems WHERE system = 'THUNDERHEAD'")
    assert (row["failures"], row["open_until"]) == (0, None)


async def test_an_outage_that_lasts_counts_its_openings(oms: Oms) -> None:
    await oms.queued(50)
    oms.thunderhead.always = problem(401)
    opened = []
    for _ in range(4):
        await oms.due_now()
        await oms.run_processing()
        (row,) = await oms.rows("SELECT failures FROM outside_systems WHERE open_until IS NOT NULL")
        opened.append(row["failures"])
    assert opened == sorted(set(opened)), "one more each time at least, and the pause grows with it"


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_retry_after_is_honoured_in_both_forms(oms: Oms, form: str) -> None:
    in_two_minutes = datetime.now(UTC) + timedelta(seconds=120)
    said = "120" if form == "seconds" else format_datetime(in_two_minutes, usegmt=True)
    (_, *others) = await oms.queued(5)
    oms.thunderhead.submit_answers = [problem(503, {"Retry-After": said})]
    await oms.run_processing()
    (waiting,) = await oms.rows(
        "SELECT extract(epoch FROM due_at - now()) AS s FROM document_requests WHERE status = 'QUEUED'"
    )
    assert 60 < waiting["s"] <= 120, "its own wait"
    assert len(oms.thunderhead.batches) == len(others)
    assert not await oms.rows("SELECT FROM outside_systems WHERE open_until > now()"), "nobody else's"


async def test_where_all_fail_all_wait_as_long_as_they_are_asked_to(oms: Oms) -> None:
    await oms.queued(FAILURES_THAT_OPEN)
    oms.thunderhead.always = problem(503, {"Retry-After": "120"})
    await oms.run_processing()
    (row,) = await oms.rows(
        "SELECT extract(epoch FROM open_until - now()) AS s FROM outside_systems WHERE open_until > now()"
    )
    assert 60 < row["s"] <= 120


async def test_a_retry_after_is_followed_for_an_hour_at_most(oms: Oms) -> None:
    await oms.queued()
    oms.thunderhead.submit_answers = [problem(429, {"Retry-After": "86400"})]
    await oms.run_processing()
    (row,) = await oms.rows("SELECT extract(epoch FROM due_at - now()) AS s FROM document_requests")
    assert 3500 < row["s"] <= RETRY_AFTER_MAX_SECONDS + 1


async def test_one_hanging_request_holds_up_nobody(oms: Oms) -> None:
    await oms.queued(10)
    oms.thunderhead.submit_answers = [hang]
    async with asyncio.timeout(20):  # it hangs for 30
        (report,) = await oms.run_processing()
    assert report.counts["submitted"] == 9


async def test_a_request_that_breaks_thunderhead_alone_does_not_stop_the_others(oms: Oms) -> None:
    await oms.queued(9)
    oms.thunderhead.submit_answers = [problem(500)]
    (report,) = await oms.run_processing()
    assert report.stopped_early is None
    assert report.counts["submitted"] == 8


async def test_a_request_that_alone_gets_no_answer_ends_in_the_end(oms: Oms) -> None:
    (bad,) = await oms.queued(priority="HIGH")
    for _ in range(SUBMITS_FOR_FREE + oms.settings.max_attempts + 1):
        await oms.queued(3)
        await oms.due_now()
        oms.thunderhead.submit_answers = [problem(500)]
        oms.settings = oms.settings.model_copy(update={"concurrency": 1})
        await oms.run_processing()
    request = await oms.request(bad)
    assert (request["status"], request["spent"]) == ("FAILED", oms.settings.max_attempts)
    assert oms.thunderhead.doubled() == []


async def test_submits_without_an_answer_are_forgiven_once_thunderhead_has_the_document(oms: Oms) -> None:
    (unlucky,) = await oms.queued(priority="HIGH")
    oms.settings = oms.settings.model_copy(update={"concurrency": 1})
    for _ in range(SUBMITS_FOR_FREE + 2):
        await oms.queued(3)
        await oms.due_now()
        oms.thunderhead.submit_answers = [problem(500)]
        await oms.run_processing()
    assert (await oms.request(unlucky))["spent"] == 2, "the first may have been rain"
    await oms.due_now()
    await oms.run_processing()
    assert (await oms.request(unlucky))["spent"] == 0

    oms.thunderhead.end("FAILED", category="PROCESSING_ERROR", description="out of paper")
    await oms.due_now()
    await oms.run_monitoring()

    request = await oms.request(unlucky)
    assert (request["status"], request["spent"]) == ("QUEUED", 1), "its own failure, and its first"
