"""document_reminder: each reminder once, whatever happens on the way."""

from dags.document_reminder import document_reminder
from include.oms.testing.items import Runs, RunsOf, lost, problem
from include.oms.testing.made import document
from include.oms.testing.system import Oms


async def made(oms: Oms, items: RunsOf) -> tuple[list[str], Runs]:
    """Three documents that are due, one that is not; the names of their reminders, and the job to run."""
    ids = [await document(oms, number, days=10) for number in (1, 2, 3)]
    await document(oms, 4, days=1)
    return [f"document_reminder-{request_id}" for request_id in ids], await items(document_reminder.job())


async def test_each_is_reminded_once(oms: Oms, items: RunsOf) -> None:
    names, runs = await made(oms, items)
    for _ in range(2):
        await runs.run()
        assert runs.outside.names() == names


async def test_a_lost_answer_is_looked_up(oms: Oms, items: RunsOf) -> None:
    names, runs = await made(oms, items)
    runs.outside.after_effect = [lost]
    await runs.run()
    await runs.time_passes()
    await runs.run()
    assert runs.outside.names() == names
    assert runs.outside.reads == 1


async def test_a_worker_that_died_is_followed_by_one_that_looks_first(oms: Oms, items: RunsOf) -> None:
    names, runs = await made(oms, items)
    await runs.dies_before_it_records()
    await runs.time_passes()
    await runs.run()
    assert runs.outside.names() == names
    assert runs.outside.reads == 3


async def test_what_is_refused_is_red_and_a_clear_tries_it_again_once(oms: Oms, items: RunsOf) -> None:
    names, runs = await made(oms, items)
    runs.outside.answers = [problem(422)]
    assert len(await runs.run()) == 1
    assert await runs.run() == [], "a later run leaves it to a person"
    for _ in range(2):
        assert await runs.clear() == []
        assert runs.outside.names() == names


async def test_an_outage_is_no_failure(oms: Oms, items: RunsOf) -> None:
    names, runs = await made(oms, items)
    runs.outside.answers = [problem(429)] * 3
    assert await runs.run() == []
    await runs.time_passes()
    await runs.run()
    assert runs.outside.names() == names
