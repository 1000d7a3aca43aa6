"""document_archive: what its act adds to the kit, what it knew before it was a job of the kit, and its DAG."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import psycopg
import pytest
from aiohttp import web

from dags import document_archive as dag_file
from include.jobs.testing import Airflow
from include.oms.items.work import BYTES_AT_ONCE
from include.oms.outside.breaker import FAILURES_THAT_OPEN
from include.oms.outside.door import Door
from include.oms.outside.thunderhead import MOST_BYTES_OF_A_PDF
from include.oms.testing.items import FakeSystem, Runs, problem, raw
from include.oms.testing.made import document
from include.oms.testing.postgres import migrate
from include.oms.testing.system import Oms
from tests.integration.test_indexes import looked_through

JOB = dag_file.document_archive.job()


@pytest.fixture
def runs(oms: Oms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    """The job's runs, with the scripted Thunderhead; its folder is the test's own."""
    monkeypatch.setattr(dag_file, "folder", lambda: tmp_path)

    def new_door() -> Door:
        oms.begin_a_task()
        return oms.thunderhead_client.door

    return Runs(oms, JOB, FakeSystem(), new_door)


def files(folder: Path) -> dict[str, bytes]:
    """What the archive holds, by name."""
    return {file.name: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


async def test_each_document_is_archived_once_by_the_day_of_its_end(oms: Oms, runs: Runs, tmp_path: Path) -> None:
    made = {await document(oms, document_id): document_id for document_id in range(1, 13)}
    for _ in range(2):
        assert await runs.run() == []
    assert files(tmp_path) == {
        f"{key}.pdf": f"%PDF-1.7 {document_id} %%EOF".encode() for key, document_id in made.items()
    }
    assert oms.thunderhead.calls["document"] == 12
    kept = await oms.rows(
        "SELECT result, to_char(ended_at AT TIME ZONE 'UTC', 'YYYY/MM/DD/') || request_id || '.pdf' AS file"
        " FROM job_items JOIN document_requests USING (request_id)"
    )
    assert all(row["result"] == row["file"] and (tmp_path / row["file"]).exists() for row in kept)


async def test_the_documents_in_memory_are_bounded_by_bytes(
    oms: Oms, runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the call until the file is written, each counts as the largest that may come."""
    most, number = BYTES_AT_ONCE // MOST_BYTES_OF_A_PDF, 12
    in_memory: list[int] = [0]
    write_whole = dag_file.write_whole

    async def slow(_: web.Request) -> web.StreamResponse:
        in_memory.append(in_memory[-1] + 1)
        await asyncio.sleep(0.01)
        return web.Response(body=b"%PDF-1.7 %%EOF", content_type="application/pdf")

    def written(file: Path, content: bytes) -> None:
        write_whole(file, content)
        in_memory.append(in_memory[-1] - 1)

    monkeypatch.setattr(dag_file, "write_whole", written)
    oms.thunderhead.document_answers = [slow] * number
    for document_id in range(1, number + 1):
        await document(oms, document_id)
    assert await runs.run() == []
    assert len(files(tmp_path)) == number
    assert 1 < max(in_memory) <= most


async def test_what_is_made_later_or_committed_late_is_archived_too(oms: Oms, runs: Runs, tmp_path: Path) -> None:
    """Hours, days or weeks late, or under a clock that was ahead: the tables are compared."""
    late = (0.5, 0.2, 0.201, 40, -0.3, 3.0)
    for number, days in enumerate(late, start=1):
        await document(oms, number, days=days)
        await runs.run()
    assert len(files(tmp_path)) == len(late)


async def test_an_outage_is_nobodys_failure(oms: Oms, runs: Runs, tmp_path: Path) -> None:
    for number in range(1, FAILURES_THAT_OPEN + 1):
        await document(oms, number)
    oms.thunderhead.document_answers = [problem(503, {"Retry-After": "7"})] * FAILURES_THAT_OPEN
    assert await runs.run() == []
    assert files(tmp_path) == {}
    await runs.time_passes()
    await runs.run()
    assert len(files(tmp_path)) == FAILURES_THAT_OPEN


async def test_a_document_type_that_is_paused_at_thunderhead_waits(oms: Oms, runs: Runs, tmp_path: Path) -> None:
    await oms.connection.execute(
        "INSERT INTO outside_systems (system, document_type, paused_at, paused_by, paused_why)"
        " VALUES ('THUNDERHEAD', 'POLICY', now(), 'test', 'test')"
    )
    ids = [await document(oms, number, document_type=kind) for number, kind in ((1, "INVOICE"), (2, "POLICY"))]
    assert await runs.run() == []
    assert files(tmp_path).keys() == {f"{ids[0]}.pdf"}


@pytest.mark.parametrize(
    "answer", [problem(404), raw(200, b"<html/>", "text/html"), raw(200, b"%PDF-1.7 1", "application/pdf")]
)
async def test_what_is_no_whole_document_needs_a_person_and_is_tried_again_by_a_clear(
    oms: Oms, runs: Runs, tmp_path: Path, answer: object
) -> None:
    request_id = await document(oms, 1)
    oms.thunderhead.document_answers = [answer]  # type: ignore[list-item]
    (why,) = await runs.run()
    assert "document 1" in why
    assert await runs.run() == []
    assert await runs.clear() == []
    assert list(files(tmp_path)) == [f"{request_id}.pdf"]


async def test_a_folder_that_cannot_be_written_needs_a_person(
    oms: Oms, runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request_id = await document(oms, 1)
    (tmp_path / "file").touch()
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(dag_file, "folder", lambda: tmp_path / "file")
        (why,) = await runs.run()
    assert "Error in the code of document_archive" in why
    assert await runs.clear() == []
    assert f"{request_id}.pdf" in files(tmp_path)


async def test_what_was_archived_before_the_kit_is_kept_and_an_old_slice_can_be_cleared(
    oms: Oms, runs: Runs, tmp_path: Path
) -> None:
    archived, given_up, claimed = [await document(oms, number) for number in (1, 2, 3)]
    migrate(oms.url, "downgrade", "0210")
    (old,) = await oms.rows(
        "INSERT INTO slices (job, dag_run_id, ordinal, size, label, opened_at, generation)"
        " VALUES ('document_archive', 'before', 0, 2, '2 documents', now(), 0) RETURNING slice_id"
    )
    await oms.connection.execute(
        """INSERT INTO archived_documents (request_id, ended_at, slice_id, archived_at, file, given_up_why)
           SELECT request_id, ended_at, %(slice)s, CASE request_id WHEN %(archived)s THEN now() END,
                  CASE request_id WHEN %(archived)s THEN 'a file' END, CASE request_id WHEN %(given_up)s THEN 'no' END
           FROM document_requests""",
        {"slice": old["slice_id"], "archived": archived, "given_up": given_up},
    )
    migrate(oms.url, "upgrade", "head")

    await runs.run()
    assert set(files(tmp_path)) == {f"{claimed}.pdf"}
    runs._slices = [old["slice_id"]]
    await runs.clear()
    assert set(files(tmp_path)) == {f"{claimed}.pdf", f"{given_up}.pdf"}


@pytest.mark.parametrize("name", ["note_due_items", "read_due_items"])
def test_its_query_finds_its_rows_by_an_index(db: psycopg.Connection, name: str) -> None:
    assert looked_through(db, JOB.query(name)) == set()


async def test_the_dag_names_its_slices_is_red_where_a_person_is_needed_and_is_a_daily_duty(
    oms: Oms, airflow_runs: Airflow, tmp_path: Path
) -> None:
    for number in range(1, 4):
        await document(oms, number)
    oms.thunderhead.document_answers = [problem(404)]
    airflow_runs.connect_database(oms.url)
    airflow_runs.connect("thunderhead_api", conn_type="http", host=oms.thunderhead_url, password="token")
    run = await airflow_runs.run("document_archive")
    assert run.states("claim_documents") == ["failed"]
    assert "Airflow has no Connection document_archive: add it under Admin, Connections, or set" in run.log
    assert await oms.rows("SELECT FROM job_items") == []

    airflow_runs.connect("document_archive", conn_type="fs", extra={"path": str(tmp_path / "archive")})
    run = await airflow_runs.run("document_archive", slice_size=2)

    assert run.state == "failed", run.log
    assert sorted(run.states("archive_slice")) == ["failed", "success"]
    assert {it.name for it in run.task_instances if it.task_id == "archive_slice"} == {
        "1: 2 requests, 1 to 2",
        "2: request 3",
    }
    refused = re.search(r"request (\d): Thunderhead has no document \1: 404", run.log)
    assert refused, run.log
    kept = {"1.pdf", "2.pdf", "3.pdf"} - {f"{refused[1]}.pdf"}  # Airflow works the slices in any order
    assert set(files(tmp_path / "archive")) == kept
    assert len(await oms.rows("SELECT FROM daily_duties WHERE duty = 'document_archive'")) == 1
