"""A job of the kit under Airflow itself: colours, names, and what an engineer is told of a mistake."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from include.jobs.kit import item_job
from include.jobs.testing import Airflow
from include.oms.base import database
from include.oms.items.item import Call, Item
from include.oms.items.work import MOST_DEATHS, QUERIES, claim_items
from include.oms.slices.hold import held_slice
from include.oms.testing.items import RunsOf, problem
from include.oms.testing.made import document
from include.oms.testing.system import Oms

DUE = "SELECT request_id, ended_at FROM document_requests WHERE status = 'COMPLETED'"
FILE = '''"""Reads each document. Red: Clear:"""

from include.jobs.kit import item_job


async def act(item, call):
    await call("GET", f"/v1/documents/{item.request_id}")


item_job("reads_documents", doc=__doc__, schedule=None, system="THUNDERHEAD", connection="reading_api",
         due="SELECT request_id FROM document_requests", act=act, look_up=None)
'''


async def post(item: Item, call: Call) -> str:
    """An effect."""
    await call("POST", "/x", json={"name": item.name, "day": item["ended_at"]})
    return "posted"


async def exists(item: Item, call: Call) -> bool:
    """Its look-up."""
    return (await call("GET", f"/x/{item.name}", expect=[404])).status == 200


def a_job(**changed: object) -> dict[str, object]:
    said: dict[str, object] = {
        "doc": "Doc", "schedule": None, "system": "THUNDERHEAD", "connection": "x", "due": DUE, "act": post,
        "look_up": exists,
    }  # fmt: skip
    return said | changed


@pytest.mark.parametrize(
    ("name", "changed", "told"),
    [
        ("some_job", {"doc": None}, "some_job has no doc: write a docstring at the top of its file"),
        ("some_job", {"system": "NO_API"}, 'NO_API is no outside system: add the line `NO_API = "what it does"` to'),
        ("some_job", {"due": "SELECT 1"}, "the query `due` of some_job selects no request_id"),
        ("Some2", {}, "'Some2' is no name for a job"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_while_the_file_is_read(name: str, changed: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as error:
        item_job(name, **a_job(**changed))  # type: ignore[arg-type]
    assert told in str(error.value)
    assert "\n" not in str(error.value)


async def test_a_column_that_is_not_selected_is_named_and_nothing_is_lost(oms: Oms, items: RunsOf) -> None:
    await document(oms, 1)
    due = "SELECT request_id FROM document_requests WHERE status = 'COMPLETED'"
    runs = await items(item_job("some_job", **a_job(due=due)).job())  # type: ignore[arg-type]
    (why,) = await runs.run()
    assert "LookupError in the code of some_job" in why
    assert runs.outside.effects == []


async def test_what_kills_its_workers_is_set_aside_and_the_others_go_on(oms: Oms, items: RunsOf) -> None:
    ids = [await document(oms, number) for number in (1, 2)]
    runs = await items(item_job("some_job", **a_job()).job())  # type: ignore[arg-type]
    await runs.run()
    await oms.connection.execute(
        "UPDATE job_items SET done_at = NULL, result = NULL, deaths = %s WHERE request_id = %s", (MOST_DEATHS, ids[0])
    )
    (why,) = await runs.run()
    assert f"request {ids[0]}: {MOST_DEATHS} workers in a row died" in why
    assert Counter(runs.outside.names()) == {f"some_job-{request_id}": 1 for request_id in ids}


async def test_a_worker_holds_its_lease_from_the_first_item_on(oms: Oms) -> None:
    """After a crash or a clear too: else a job that asks for its lease before each call makes none."""
    await document(oms, 1)
    job = item_job("some_job", **a_job()).job()  # type: ignore[arg-type]
    claimed = await claim_items(oms.connection, job, "run", oms.settings)
    for generation in (0, 0, 1):
        async with held_slice(
            oms.connection, claimed.slices[0]["slice_id"], queries=QUERIES, generation=generation, map_index=0,
            settings=oms.settings,
        ) as hold:  # fmt: skip
            assert hold.lease.holds_for(oms.settings.lease_seconds / 2)


async def test_a_worker_whose_slice_has_passed_on_records_nothing(oms: Oms, items: RunsOf) -> None:
    await document(oms, 1)

    async def meanwhile(item: Item, call: Call) -> str:
        await oms.connection.execute("UPDATE job_items SET lease_token = nextval('lease_tokens')")
        return "done"

    runs = await items(item_job("some_job", **a_job(act=meanwhile)).job())  # type: ignore[arg-type]
    await runs.run()
    assert await oms.rows("SELECT done_at FROM job_items") == [{"done_at": None}]


async def test_what_is_not_due_any_more_is_left_alone(oms: Oms, items: RunsOf) -> None:
    await document(oms, 1)
    runs = await items(item_job("some_job", **a_job()).job())  # type: ignore[arg-type]
    runs.outside.answers = [problem(503), problem(429)]
    await runs.run()
    await oms.connection.execute("UPDATE document_requests SET status = 'FAILED'")
    await runs.time_passes()
    assert await runs.run() == []
    assert runs.outside.effects == []


async def test_history_is_compared_day_by_day(oms: Oms, items: RunsOf) -> None:
    by_day = f"{DUE} AND ended_at >= %(begins_at)s AND ended_at < %(ends_at)s"
    for days in (0.1, 3, 40):
        await document(oms, int(days * 10), days=days)
    runs = await items(item_job("some_job", **a_job(due=by_day)).job())  # type: ignore[arg-type]
    await runs.run()
    assert len(runs.outside.names()) == 3


async def test_the_dag_has_names_colours_and_slices_for_the_console(
    oms: Oms, airflow_runs: Airflow, tmp_path: Path
) -> None:
    file = tmp_path / "dags" / "reads_documents.py"
    file.parent.mkdir()
    file.write_text(FILE)
    for number in range(1, 4):
        await document(oms, number)
    oms.thunderhead.document_answers = [problem(404)]
    airflow_runs.connect_database(oms.url)
    airflow_runs.connect("reading_api", conn_type="http", host=oms.thunderhead_url)

    run = await airflow_runs.run("reads_documents", file=file, slice_size=2)

    assert run.state == "failed", run.log
    assert sorted(run.states("act")) == ["failed", "success"]
    names = {it.name for it in run.task_instances if it.task_id == "act"}
    assert names == {"1: 2 requests, 1 to 2", "2: request 3"}
    found = await oms.rows("SELECT slice_id FROM slices WHERE job = 'reads_documents'")
    ids = [row["slice_id"] for row in found]
    (shown,) = await database.rows(oms.connection, "requests_of_slices", slice_ids=ids, limit=10)
    assert Counter(row["group"] for row in shown["requests"]) == {"clear": 1, "other": 2}


async def test_a_connection_that_is_missing_is_named_in_the_log(
    oms: Oms, airflow_runs: Airflow, tmp_path: Path
) -> None:
    file = tmp_path / "dags" / "reads_documents.py"
    file.parent.mkdir()
    file.write_text(FILE)
    airflow_runs.connect_database(oms.url)
    run = await airflow_runs.run("reads_documents", file=file)
    assert run.state == "failed"
    assert "Airflow has no Connection reading_api: add it under Admin, Connections" in run.log
