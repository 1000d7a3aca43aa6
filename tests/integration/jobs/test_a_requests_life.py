"""A request on its way, with nothing and with everything going wrong at Thunderhead."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from include.oms.testing.outside import cut, hang, problem, raw
from include.oms.testing.system import Oms
from include.oms.words.model import Job

pytestmark = pytest.mark.usefixtures("both_modes")

SCHEMA = json.loads(Path("include/contracts/final-status-event.schema.json").read_text())


async def test_to_its_document(oms: Oms) -> None:
    (request_id,) = await oms.queued()

    (processed,) = await oms.run_processing()
    assert processed.counts == {"held": 1, "submitted": 1}
    oms.thunderhead.end("COMPLETED")
    await oms.due_now()
    (polled,) = await oms.run_monitoring()

    assert polled.counts == {"held": 1, "completed": 1}
    assert not polled.red_ends
    request = await oms.request(request_id)
    assert (request["status"], request["revision"], request["attempts"]) == ("COMPLETED", 1, 1)
    assert await oms.timeline(request_id) == ["CLAIMED", "SUBMITTED", "COMPLETED"]
    (event,) = await oms.events()
    jsonschema.validate(event["event"], SCHEMA, format_checker=jsonschema.FormatChecker())
    assert event["event"]["data"] | {"request_correlation_id": ""} == {
        "request_id": request_id, "request_correlation_id": "", "source_system": "CIBT", "document_type": "INVOICE",
        "document_name": "IVZRECPA", "status": "COMPLETED", "revision": 1, "attempts": 1,
        "thunderhead_batch_id": 1, "dms_document_id": 1001, "errors": [],
    }  # fmt: skip


async def test_permanent_generation_failure_ends_it_with_the_reason(oms: Oms) -> None:
    (request_id,) = await oms.queued()
    await oms.run_processing()
    oms.thunderhead.end("FAILED", category="VALIDATION_ERROR", description="no such\x00template")
    await oms.due_now()

    (polled,) = await oms.run_monitoring()

    (end,) = polled.red_ends
    assert (end.request_id, end.status, end.category) == (request_id, "FAILED", "VALIDATION_ERROR")
    (event,) = await oms.events()
    jsonschema.validate(event["event"], SCHEMA)
    (error,) = event["event"]["data"]["errors"]
    assert (error["stage"], error["category"], error["description"]) == (
        "GENERATION",
        "VALIDATION_ERROR",
        "no such template",
    )
    assert error["problem"] == "/problems/VALIDATION_ERROR"


async def test_transient_generation_failure_gets_new_attempts_and_then_ends(oms: Oms) -> None:
    (request_id,) = await oms.queued()
    for _ in range(oms.settings.max_attempts):
        assert (await oms.request(request_id))["status"] == "QUEUED"
        await oms.run_processing()
        oms.thunderhead.end("FAILED", category="PROCESSING_ERROR", description="busy")
        await oms.due_now()
        await oms.run_monitoring()
        await oms.due_now()

    request = await oms.request(request_id)
    assert (request["status"], request["attempts"], request["revision"]) == ("FAILED", 3, 1)
    assert [batch["batchName"] for batch in oms.thunderhead.batches] == [f"OMS-{request_id}-{n}" for n in (1, 2, 3)]
    (event,) = await oms.events()
    assert len(event["event"]["data"]["errors"]) == 3


async def test_stopped_at_thunderhead_is_an_end(oms: Oms) -> None:
    (request_id,) = await oms.queued()
    await oms.run_processing()
    oms.thunderhead.end("STOPPED")
    await oms.due_now()
    (polled,) = await oms.run_monitoring()
    assert polled.red_ends
    assert (await oms.request(request_id))["status"] == "STOPPED"


async def test_missing_configuration_ends_it_at_enrichment(oms: Oms) -> None:
    oms.reference_data.unknown_documents.add("IVBRKCOM")
    bad, good = await oms.queued(document_name="IVBRKCOM") + await oms.queued()

    (processed,) = await oms.run_processing()

    (end,) = processed.red_ends
    assert (end.request_id, end.stage, end.category) == (bad, "ENRICHMENT", "CONFIGURATION_ERROR")
    assert (await oms.request(good))["stage"] == "GENERATION"
    (event,) = await oms.events()
    jsonschema.validate(event["event"], SCHEMA)


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_a_payload_that_thunderhead_rejects_ends_it(oms: Oms, status: int) -> None:
    (request_id,) = await oms.queued()
    oms.thunderhead.submit_answers = [problem(status)]
    (processed,) = await oms.run_processing()
    (end,) = processed.red_ends
    assert (end.stage, end.category) == ("SUBMISSION", "VALIDATION_ERROR")
    (batch,) = await oms.rows("SELECT status FROM thunderhead_batches WHERE request_id = %s", request_id)
    assert batch["status"] == "FAILED"


@pytest.mark.parametrize("status", [401, 403, 404, 429])
async def test_no_attempt_is_spent_where_thunderhead_refuses_us(oms: Oms, status: int) -> None:
    (request_id,) = await oms.queued()
    oms.thunderhead.submit_answers = [problem(status)]
    (processed,) = await oms.run_processing()
    assert not processed.red_ends
    request = await oms.request(request_id)
    assert (request["status"], request["spent"]) == ("QUEUED", 0)
    await oms.due_now()
    await oms.run_processing()
    assert [batch["batchName"] for batch in oms.thunderhead.batches] == [f"OMS-{request_id}-1"]
    assert oms.thunderhead.calls["find"] == 0  # nothing can have arrived, so nothing is looked up


UNSURE = {
    "cut": cut,
    "500": problem(500),
    "503": problem(503),
    "empty 202": raw(202, b""),
    "half a 202": raw(202, b'{"batchId": 7, "batchNa'),
    "a 202 of another shape": raw(202, b'{"batch": 7}'),
    "no json": raw(202, b"<html>", "text/html"),
    "an id beyond bigint": raw(202, b'{"batchId": 9223372036854775808, "batchName": "x", "status": "PROCESSING"}'),
    "an unreadable 400": raw(400, b"Bad Request", "text/plain"),
    "an empty 401": raw(401, b""),
    "another shape of 422": raw(422, b'{"ok": true}'),
    "a redirect": raw(302, b""),
    "too long": raw(202, b'"' + b"x" * 5_000_000 + b'"'),
    "hang": hang,
}


@pytest.mark.parametrize("answer", UNSURE.values(), ids=UNSURE)
@pytest.mark.parametrize("had_its_effect", [True, False])
async def test_an_unsure_submit_is_looked_up_and_never_doubled(oms: Oms, answer: object, had_its_effect: bool) -> None:
    oms.settings = oms.settings.model_copy(update={"settling_seconds": 1000})  # due_now() is an hour later
    (request_id,) = await oms.queued()
    script = oms.thunderhead.answers_after_effect if had_its_effect else oms.thunderhead.submit_answers
    script.append(answer)  # type: ignore[arg-type]

    await oms.run_processing()
    assert (await oms.request(request_id))["status"] == "QUEUED"
    assert not await oms.run_processing(), "not before the settling time"
    await oms.due_now()
    (processed,) = await oms.run_processing()

    assert processed.counts["submitted"] == 1
    assert processed.counts.get("adopted", 0) == had_its_effect
    assert oms.thunderhead.doubled() == []
    assert [batch["batchName"] for batch in oms.thunderhead.batches] == [f"OMS-{request_id}-1"]


SENSELESS_LOOK_UPS = {
    "an id beyond bigint": b'{"batches": [{"batchId": 9223372036854775808, "batchName": "OMS-1-1", "status": "X"}]}',
    "nonsense in the list": b'{"batches": [null]}',
    "another name": b'{"batches": [{"batchId": 1, "batchName": "x", "status": "PROCESSING"}]}',
    "no list": b'{"batches": 7}',
    "no json": b"<html>",
}


@pytest.mark.parametrize("answer", SENSELESS_LOOK_UPS.values(), ids=SENSELESS_LOOK_UPS)
async def test_a_name_is_not_submitted_again_where_its_look_up_cannot_be_read(oms: Oms, answer: bytes) -> None:
    (request_id,) = await oms.queued()
    oms.thunderhead.answers_after_effect.append(problem(500))
    await oms.run_processing()
    oms.thunderhead.poll_answers = [raw(200, answer)]
    for _ in range(2):
        await oms.due_now()
        await oms.run_processing()
    assert oms.thunderhead.doubled() == []
    assert (await oms.request(request_id))["stage"] == "GENERATION"


async def test_an_outage_stops_the_slice_and_spends_nothing(oms: Oms) -> None:
    ids = await oms.queued(10)
    oms.thunderhead.always = problem(503, {"Retry-After": "120"})

    (processed,) = await oms.run_processing()

    assert processed.stopped_early
    assert not processed.red_ends
    assert {(await oms.request(i))["spent"] for i in ids} == {0}
    assert await oms.run_processing() == [], "the breaker is open for all"
    oms.thunderhead.always = None
    for _ in range(2):
        await oms.due_now()
        await oms.run_processing()
    assert len(oms.thunderhead.batches) == 10
    assert oms.thunderhead.doubled() == []


async def test_reference_data_out_spends_nothing(oms: Oms) -> None:
    (request_id,) = await oms.queued()
    oms.reference_data.is_down = True
    await oms.run_processing()
    request = await oms.request(request_id)
    assert (request["status"], request["stage"], request["spent"]) == ("QUEUED", "ENRICHMENT", 0)


HOSTILE_POLLS = {
    "500": problem(500),
    "cut": cut,
    "no json": raw(200, b"<html>", "text/html"),
    "no list": raw(200, b'{"batches": 7}'),
    "nonsense in the list": raw(200, b'{"batches": [null, 7, {}, {"batchId": "1"}, {"batchId": true}]}'),
    "nothing found": raw(200, b'{"batches": []}'),
    "a status it never heard of": raw(200, b'{"batches": [{"batchId": 1, "batchName": "OMS-1-1", "status": "ODD"}]}'),
    "another name": raw(
        200, b'{"batches": [{"batchId": 1, "batchName": "x", "status": "COMPLETED", "dmsDocumentId": 5}]}'
    ),
    "completed without a document": raw(
        200, b'{"batches": [{"batchId": 1, "batchName": "OMS-1-1", "status": "COMPLETED"}]}'
    ),
    "hang": hang,
    "too long": raw(200, b'"' + b"x" * 5_000_000 + b'"'),
}


@pytest.mark.parametrize("answer", HOSTILE_POLLS.values(), ids=HOSTILE_POLLS)
async def test_a_poll_without_sense_is_asked_again(oms: Oms, answer: object) -> None:
    (request_id,) = await oms.queued()
    await oms.run_processing()
    oms.thunderhead.end("COMPLETED")
    oms.thunderhead.poll_answers = [answer, answer]  # type: ignore[list-item]  # a cut read is repeated once, by aiohttp
    await oms.due_now()
    await oms.run_monitoring()
    assert (await oms.request(request_id))["status"] == "PROCESSING"
    oms.thunderhead.poll_answers.clear()
    await oms.due_now()
    await oms.run_monitoring()
    assert (await oms.request(request_id))["status"] == "COMPLETED"


async def test_a_claim_that_runs_twice_answers_the_same(oms: Oms) -> None:
    await oms.queued(12)
    first = await oms.claim(Job.PROCESSING)
    oms.runs -= 1
    assert await oms.claim(Job.PROCESSING) == first
    assert len(first) == 2
