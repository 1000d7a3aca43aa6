"""The simulator's documents and its memory: real PDFs, nothing lost by a restart, nothing kept in memory."""

from __future__ import annotations

import io
import os
import signal
from pathlib import Path

import pypdf
import pytest

from tests.integration.services.conftest import Thunderhead, document, running_thunderhead
from tests.integration.services.running import eventually

pytestmark = pytest.mark.integration


def pdf_text(thunderhead: Thunderhead, dms_document_id: int) -> str:
    answer = thunderhead.http.get(f"/v1/documents/{dms_document_id}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/pdf"
    pages = pypdf.PdfReader(io.BytesIO(answer.content)).pages
    return "\n".join(page.extract_text() for page in pages)


def test_the_document_is_a_pdf_of_what_was_submitted(thunderhead: Thunderhead) -> None:
    xml = document(
        "IVBRKCOM",
        customer={"name": "Łucja Müller-Ångström"},
        amount="1.000,00 €",
        motto="ξεσκεπάζω, Жълтата дюля",
        limits=[{"buyer": "Société", "limit": 5}, {"buyer": "Ñandú", "limit": 6}],
    )
    text = pdf_text(thunderhead, thunderhead.ended(thunderhead.submit("PDF-1-1", xml))["dmsDocumentId"])
    for expected in ("IVBRKCOM", "PDF-1-1", "Łucja Müller-Ångström", "1.000,00 €", "ξεσκεπάζω, Жълтата дюля",
                     "Société", "Ñandú", "C-4711", "Head of Operations", "Page 1 of 1", "Footer 2"):  # fmt: skip
        assert expected in text


def test_without_rendering_a_document_is_made_when_it_is_fetched(thunderhead: Thunderhead) -> None:
    thunderhead.tell(rendering=False)
    fine = thunderhead.ended(thunderhead.submit("PDF-2-1"))
    assert "PDF-2-1" in pdf_text(thunderhead, fine["dmsDocumentId"])
    broken = thunderhead.ended(thunderhead.submit("PDF-2-2", "<a>"))
    assert thunderhead.http.get(f"/v1/documents/{broken['dmsDocumentId']}").status_code == 404
    assert thunderhead.batch(broken["batchId"])["status"] == "COMPLETED"


def test_a_restart_keeps_the_ledger_and_renders_what_was_waiting(tmp_path: Path) -> None:
    with running_thunderhead(tmp_path, OMS_THUNDERHEAD_GENERATION_SECONDS="0") as thunderhead:
        done = thunderhead.ended(thunderhead.submit("PDF-3-1"))
        failed = thunderhead.submit("PDF-3-2", document(sandbox="TRANSIENT"))
        waiting = [thunderhead.submit(f"PDF-4-{n}") for n in range(60)]
        thunderhead.service.process.kill()  # not even asked
        thunderhead.service.process.wait()
    with running_thunderhead(tmp_path) as thunderhead:
        assert thunderhead.batch(done["batchId"]) == done
        assert thunderhead.ended(failed)["status"] == "FAILED"
        assert [thunderhead.ended(batch_id)["status"] for batch_id in waiting] == ["COMPLETED"] * 60
        assert "PDF-4-59" in pdf_text(thunderhead, thunderhead.batch(waiting[-1])["dmsDocumentId"])
        again = thunderhead.submit("PDF-3-3", document(sandbox="TRANSIENT"))
        assert again > waiting[-1]
        assert thunderhead.ended(again)["status"] == "COMPLETED"  # it remembers the first try too


def test_sigterm_ends_it_in_order_even_while_a_call_hangs(tmp_path: Path) -> None:
    with running_thunderhead(tmp_path, OMS_THUNDERHEAD_LATENCY_SECONDS="30") as thunderhead:
        with pytest.raises(Exception, match="timed out"):
            thunderhead.http.get("/v1/batches?batchName=a", timeout=0.2)
        assert thunderhead.service.stop() == 0


def test_what_waits_to_be_rendered_is_not_held_in_memory(tmp_path: Path) -> None:
    with running_thunderhead(tmp_path) as thunderhead:
        payload = document(text="x" * 400_000)
        thunderhead.submit("MEM-1-1", payload)
        before = _resident_bytes(thunderhead.service.process.pid)
        for n in range(200):  # 80 MB
            thunderhead.submit(f"MEM-2-{n}", payload)
        grown = _resident_bytes(thunderhead.service.process.pid) - before
        assert grown < 25_000_000
        last = thunderhead.named("MEM-2-199")[0]
        assert thunderhead.batch(last)["status"] == "PROCESSING"


def test_a_renderer_that_dies_is_replaced_and_the_document_made(tmp_path: Path) -> None:
    with running_thunderhead(tmp_path, OMS_THUNDERHEAD_GENERATION_SECONDS="0") as thunderhead:
        thunderhead.ended(thunderhead.submit("DIE-1-1"))
        (renderer,) = _children(thunderhead.service.process.pid)
        _kill(renderer)
        assert thunderhead.ended(thunderhead.submit("DIE-1-2"))["status"] == "COMPLETED"
        assert eventually(lambda: _children(thunderhead.service.process.pid)) != [renderer]


def test_the_renderer_does_not_outlive_the_simulator(tmp_path: Path) -> None:
    with running_thunderhead(tmp_path, OMS_THUNDERHEAD_GENERATION_SECONDS="0") as thunderhead:
        thunderhead.ended(thunderhead.submit("DIE-2-1"))
        (renderer,) = _children(thunderhead.service.process.pid)
        thunderhead.service.process.kill()
        thunderhead.service.process.wait()
        eventually(lambda: not _is_alive(renderer))


def _resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _is_alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def _kill(pid: int) -> None:

    os.kill(pid, signal.SIGKILL)
