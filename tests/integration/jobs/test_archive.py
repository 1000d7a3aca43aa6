"""The worked example of docs/add-a-job.md, tested as any new job is: its work on a real database, then its DAG."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from include.jobs.testing import Airflow
from include.oms.outside.breaker import FAILURES_THAT_OPEN
from include.oms.slices.hold import held_slice
from include.oms.slices.report import SliceReport
from include.oms.testing.made import document
from include.oms.testing.outside import problem, raw
from include.oms.testing.system import Oms
from include.oms.upkeep.archive import QUERIES, Documents, archive_slice, claim_documents


async def run(oms: Oms, folder: Path, *, generation: int = 0, run_id: str = "run") -> list[SliceReport]:
    """One run: claim, then each slice in turn."""
    claimed = await claim_documents(oms.connection, run_id, oms.settings)
    oms.begin_a_task()
    return [
        await archive_slice(
            oms.connection, each["slice_id"], generation=generation, map_index=0,
            documents=Documents(oms.thunderhead_client, folder), settings=oms.settings,
        )
        for each in claimed.slices
    ]  # fmt: skip


def files(folder: Path) -> dict[str, bytes]:
    """What the archive holds, by name."""
    return {file.name: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


async def test_each_document_is_archived_once(oms: Oms, tmp_path: Path) -> None:
    made = {await document(oms, document_id): document_id for document_id in range(1, 13)}
    reports = await run(oms, tmp_path)
    assert [report.counts for report in reports] == [{"archived": 10}, {"archived": 2}]
    assert files(tmp_path) == {
        f"{key}.pdf": f"%PDF-1.7 {document_id} %%EOF".encode() for key, document_id in made.items()
    }
    assert await run(oms, tmp_path, run_id="later") == []
    assert oms.thunderhead.calls["document"] == 12


async def test_what_is_made_later_or_committed_late_is_archived_too(oms: Oms, tmp_path: Path) -> None:
    """Hours, days or weeks late, or under a clock that was ahead: the tables are compared."""
    late = (0.5, 0.2, 0.201, 40, -0.3, 3.0)
    for number, days in enumerate(late, start=1):
        await document(oms, number, days=days)
        await run(oms, tmp_path, run_id=f"run {number}")
    assert len(files(tmp_path)) == len(late)


async def test_an_outage_is_nobodys_failure(oms: Oms, tmp_path: Path) -> None:
    for number in range(1, FAILURES_THAT_OPEN + 1):
        await document(oms, number)
    oms.thunderhead.document_answers = [problem(503, {"Retry-After": "7"})] * FAILURES_THAT_OPEN
    (report,) = await run(oms, tmp_path)
    assert "503" in (report.stopped_early or "")
    claimed = await claim_documents(oms.connection, "while it is out", oms.settings)
    assert not claimed.slices
    assert "breaker is open" in (claimed.why_none or "")
    await oms.due_now()
    await run(oms, tmp_path, run_id="after")
    assert len(files(tmp_path)) == FAILURES_THAT_OPEN


@pytest.mark.parametrize(
    "answer", [problem(404), raw(200, b"<html/>", "text/html"), raw(200, b"%PDF-1.7 1", "application/pdf")]
)
async def test_what_cannot_be_had_needs_a_person_and_is_tried_again_by_a_clear(
    oms: Oms, tmp_path: Path, answer: object
) -> None:
    request_id = await document(oms, 1)
    oms.thunderhead.document_answers = [answer]  # type: ignore[list-item]
    await run(oms, tmp_path)
    (row,) = await oms.rows("SELECT request_id, given_up_why FROM archived_documents")
    assert row["request_id"] == request_id
    assert row["given_up_why"]
    assert await run(oms, tmp_path, run_id="later") == []
    await run(oms, tmp_path, generation=1)  # the same run again, cleared
    assert list(files(tmp_path)) == [f"{request_id}.pdf"]


async def test_a_worker_that_died_loses_nothing_and_its_slice_is_taken_over(oms: Oms, tmp_path: Path) -> None:
    await document(oms, 1)
    await claim_documents(oms.connection, "dies here", oms.settings)
    assert await run(oms, tmp_path, run_id="too early") == []
    await oms.connection.execute("UPDATE archived_documents SET lease_until = now()")
    assert [report.counts for report in await run(oms, tmp_path, run_id="later")] == [{"archived": 1}]


async def test_a_worker_holds_its_lease_from_the_first_document_on(oms: Oms) -> None:
    """After a crash or a clear too: else a job that asks for its lease before each call makes none."""
    await document(oms, 1)
    claimed = await claim_documents(oms.connection, "run", oms.settings)
    for generation in (0, 0, 1):
        async with held_slice(
            oms.connection, claimed.slices[0]["slice_id"], queries=QUERIES, generation=generation, map_index=0,
            settings=oms.settings,
        ) as hold:  # fmt: skip
            assert hold.lease.holds_for(oms.settings.lease_seconds / 2)


async def test_a_worker_whose_slice_has_passed_on_writes_nothing(
    oms: Oms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await document(oms, 1)

    async def meanwhile(*_: object, **__: object) -> bytes:
        await oms.connection.execute("UPDATE archived_documents SET lease_token = nextval('lease_tokens')")
        return b"%PDF"

    monkeypatch.setattr(oms.thunderhead_client, "document", meanwhile)
    await run(oms, tmp_path)
    (row,) = await oms.rows("SELECT archived_at FROM archived_documents")
    assert row["archived_at"] is None


async def test_the_dag_names_its_slices_and_is_red_where_a_person_is_needed(
    oms: Oms, airflow_runs: Airflow, tmp_path: Path
) -> None:
    for number in range(1, 4):
        await document(oms, number)
    oms.thunderhead.document_answers = [problem(404)]
    airflow_runs.connect_database(oms.url)
    airflow_runs.connect("thunderhead_api", conn_type="http", host=oms.thunderhead_url, password="token")
    airflow_runs.connect("document_archive", conn_type="fs", extra={"path": str(tmp_path / "archive")})

    run = await airflow_runs.run("document_archive", slice_size=2)

    assert run.state == "failed", run.log
    assert sorted(run.states("archive_slice")) == ["failed", "success"]
    assert {it.name for it in run.task_instances if it.task_id == "archive_slice"} == {
        "1: 2 documents, 1 to 2",
        "2: 1 documents, 3 to 3",
    }
    refused = re.search(r"request (\d): Thunderhead has no document \1: 404", run.log)
    assert refused, run.log
    kept = {"1.pdf", "2.pdf", "3.pdf"} - {f"{refused[1]}.pdf"}  # Airflow works the slices in any order
    assert set(files(tmp_path / "archive")) == kept
