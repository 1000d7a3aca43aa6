"""A batch that a poll does not find: it ends its request only where Thunderhead says a second time that it has none."""

from __future__ import annotations

import pytest

from include.oms.testing.outside import Answer, problem, raw
from include.oms.testing.system import Oms

pytestmark = pytest.mark.usefixtures("both_modes")

MISSES: dict[str, Answer] = {
    "left out": raw(200, b'{"batches": []}'),
    "an id beyond bigint": raw(
        200, b'{"batches": [{"batchId": 9223372036854775808, "batchName": "OMS-1-1", "status": "X"}]}'
    ),
    "a status it never heard of": raw(200, b'{"batches": [{"batchId": 1, "batchName": "OMS-1-1", "status": "X"}]}'),
}


async def aged(oms: Oms, days: int) -> int:
    """A request whose batch Thunderhead has long completed, and whose poll is due."""
    (request_id,) = await oms.queued()
    await oms.run_processing()
    oms.thunderhead.end("COMPLETED")
    await oms.connection.execute(
        "UPDATE thunderhead_batches SET submitted_at = now() - %(days)s * interval '1 day' - interval '5 minutes',"
        " asked_seconds = %(days)s * 86400 + 300",
        {"days": days},
    )
    await oms.due_now()
    return request_id


@pytest.mark.parametrize("days", [0, 2], ids=["soon", "overdue"])
@pytest.mark.parametrize("answer", MISSES.values(), ids=MISSES)
async def test_one_answer_without_the_batch_blames_no_request(oms: Oms, answer: Answer, days: int) -> None:
    request_id = await aged(oms, days)
    oms.thunderhead.poll_answers = [answer]
    for _ in range(2):
        await oms.run_monitoring()
        await oms.due_now()
    assert (await oms.request(request_id))["status"] == "COMPLETED"


async def test_a_second_look_that_fails_is_asked_again(oms: Oms) -> None:
    request_id = await aged(oms, days=0)
    oms.thunderhead.poll_answers = [MISSES["left out"], problem(500)]
    await oms.run_monitoring()
    assert (await oms.request(request_id))["status"] == "PROCESSING"


@pytest.mark.parametrize("days", [0, 2], ids=["soon", "overdue"])
async def test_what_thunderhead_does_not_have_ends(oms: Oms, days: int) -> None:
    request_id = await aged(oms, days)
    oms.thunderhead.batches.clear()
    await oms.run_monitoring()
    request = await oms.request(request_id)
    assert (request["status"], request["stage"]) == ("FAILED", "MONITORING")


async def test_overdue_ends_even_where_no_answer_can_be_read(oms: Oms) -> None:
    request_id = await aged(oms, days=2)
    oms.thunderhead.poll_answers = [MISSES["a status it never heard of"], problem(500)]
    await oms.run_monitoring()
    request = await oms.request(request_id)
    assert (request["status"], request["stage"]) == ("FAILED", "MONITORING")
