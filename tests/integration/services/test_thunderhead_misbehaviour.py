"""Each thing the simulator can be told to do wrong, once, and whether it had an effect."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.services.conftest import Thunderhead, document, running_thunderhead
from tests.integration.services.running import eventually

pytestmark = pytest.mark.integration


def test_control_says_what_it_was_told(thunderhead: Thunderhead) -> None:
    thunderhead.tell(latency_seconds=0.01, fates=[{"match": {"document_name": "IV*"}, "status": "STOPPED"}])
    told = thunderhead.http.get("/control").json()
    assert told["latency_seconds"] == 0.01
    assert told["fates"][0]["match"]["document_name"] == "IV*"
    assert thunderhead.http.put("/control", json=told).json() == told
    assert thunderhead.http.delete("/control").json()["latency_seconds"] == 0


@pytest.mark.parametrize("told", ['{"latency_seconds": -1}', '{"latency": 1}', '{"submit_error_rate": 1.1}', "[]", "{",
                                  '{"outage": {"mode": "flood"}}', '{"fates": [{"status": "LOST"}]}'])  # fmt: skip
def test_control_refuses_what_makes_no_sense(thunderhead: Thunderhead, told: str) -> None:
    refused = thunderhead.http.put("/control", content=told)
    assert refused.status_code == 422
    assert refused.json()["errors"]


def test_latency(thunderhead: Thunderhead) -> None:
    thunderhead.tell(latency_seconds=0.2)
    begun = time.monotonic()
    assert thunderhead.named("nobody") == []
    assert time.monotonic() - begun >= 0.2


def test_submit_errors_have_no_effect(thunderhead: Thunderhead) -> None:
    thunderhead.tell(submit_error_rate=1, submit_error_status=[418])
    assert thunderhead.post("MIS-1-1").status_code == 418
    assert thunderhead.named("MIS-1-1") == []


def test_an_error_says_when_to_come_back(thunderhead: Thunderhead) -> None:
    thunderhead.tell(submit_error_rate=1, submit_error_status=[503], error_retry_after_seconds=1)
    assert thunderhead.post("MIS-1-2").headers["retry-after"] == "1"
    assert thunderhead.named("MIS-1-2") == []


def test_reads_fail_apart_from_submits(thunderhead: Thunderhead) -> None:
    batch_id = thunderhead.submit("MIS-1-3")
    thunderhead.tell(read_error_rate=1, submit_error_status=[502])
    reads = ("/v1/batches?batchName=MIS-1-3", f"/v1/batches/{batch_id}", f"/v1/batches/{batch_id}/errors")
    assert [thunderhead.http.get(path).status_code for path in reads] == [502] * 3
    assert thunderhead.post("MIS-1-4").status_code == 202


def test_a_submit_that_hangs_has_its_effect(thunderhead: Thunderhead) -> None:
    thunderhead.tell(hang_after_effect_rate=1)
    with pytest.raises(httpx.ReadTimeout):
        thunderhead.http.post("/v1/batches", json=_submit("MIS-1-5"), timeout=0.3)
    assert len(thunderhead.named("MIS-1-5")) == 1


def test_calls_too_many_at_a_time_are_refused(thunderhead: Thunderhead) -> None:
    before = thunderhead.http.get("/control/calls").json()
    thunderhead.tell(most_in_flight=2, latency_seconds=1.5, limit_retry_after_seconds=2)
    with ThreadPoolExecutor(6) as callers:
        answers = list(callers.map(lambda _: thunderhead.http.get("/v1/batches?batchName=a"), range(6)))
    assert {answer.status_code for answer in answers} == {200, 429}
    assert "2" in {answer.headers.get("retry-after", "2")[:1] for answer in answers}
    after = thunderhead.http.get("/control/calls").json()
    assert after["limited"] - before["limited"] == sum(answer.status_code == 429 for answer in answers)
    assert (after["calls"] - before["calls"], after["submits"] - before["submits"]) == (6, 0)


def test_a_document_id_comes_late(thunderhead: Thunderhead) -> None:
    batch_id = thunderhead.submit("MIS-1-6")
    assert thunderhead.ended(batch_id)["dmsDocumentId"]
    thunderhead.tell(late_document_id_rate=1, late_document_id_seconds=3600)
    late = thunderhead.batch(batch_id)
    assert (late["status"], late["dmsDocumentId"]) == ("COMPLETED", None)
    thunderhead.tell(late_document_id_rate=1, late_document_id_seconds=0)
    assert thunderhead.batch(batch_id)["dmsDocumentId"]


def test_errors_after_effect_have_one(thunderhead: Thunderhead) -> None:
    thunderhead.tell(error_after_effect_rate=1)
    seen = [_outcome(thunderhead, f"MIS-2-{n}") for n in range(30)]
    assert {"cut", 500, 502, 503, 504} == set(seen)
    assert all(len(thunderhead.named(f"MIS-2-{n}")) == 1 for n in range(30))


def test_unreadable_answers_have_an_effect(thunderhead: Thunderhead) -> None:
    thunderhead.tell(unreadable_answer_rate=1)
    seen = [_outcome(thunderhead, f"MIS-3-{n}") for n in range(40)]
    assert set(seen) == {"cut", 202}
    assert all(len(thunderhead.named(f"MIS-3-{n}")) == 1 for n in range(40))
    assert not any(_is_readable(thunderhead, f"MIS-3-{n}") for n in range(20))


def test_cut_connections_have_no_effect(thunderhead: Thunderhead) -> None:
    thunderhead.tell(cut_connection_rate=1)
    assert _outcome(thunderhead, "MIS-4-1") == "cut"
    thunderhead.tell()
    assert thunderhead.named("MIS-4-1") == []


def test_the_rate_limit_says_when_to_come_back_in_both_forms(thunderhead: Thunderhead) -> None:
    thunderhead.tell(rate_limit_per_second=1)
    answers = [thunderhead.http.get("/v1/batches?batchName=a") for _ in range(30)]
    limited = [answer.headers["retry-after"] for answer in answers if answer.status_code == 429]
    assert "1" in limited
    dates = [parsedate_to_datetime(text) for text in limited if text != "1"]
    assert dates
    assert all(abs((date - datetime.now(UTC)).total_seconds()) < 30 for date in dates)


@pytest.mark.parametrize(
    ("mode", "status"),
    [("refuse", 503), ("retry_after_seconds", 503), ("retry_after_date", 503), ("unauthorized", 401)],
)
def test_an_outage_that_answers(thunderhead: Thunderhead, mode: str, status: int) -> None:
    thunderhead.tell(outage={"mode": mode, "seconds": 60})
    answer = thunderhead.post("MIS-5-1")
    assert answer.status_code == status
    if mode == "retry_after_seconds":
        assert 30 <= int(answer.headers["retry-after"]) <= 60
    elif mode == "retry_after_date":
        left = parsedate_to_datetime(answer.headers["retry-after"]) - datetime.now(UTC)
        assert 30 < left.total_seconds() <= 61
    else:
        assert "retry-after" not in answer.headers
    assert thunderhead.http.get("/healthz").status_code == 200
    thunderhead.tell()
    assert thunderhead.named("MIS-5-1") == []


def test_an_outage_that_resets_connections(thunderhead: Thunderhead) -> None:
    thunderhead.tell(outage={"mode": "reset"})
    assert _outcome(thunderhead, "MIS-6-1") == "cut"


def test_an_outage_in_which_nobody_answers(thunderhead: Thunderhead) -> None:
    thunderhead.tell(outage={"mode": "hang"})
    with pytest.raises(httpx.ReadTimeout):
        thunderhead.http.get("/v1/batches?batchName=a", timeout=0.3)


def test_an_outage_ends_by_itself(thunderhead: Thunderhead) -> None:
    thunderhead.tell(outage={"mode": "refuse", "seconds": 60})
    assert thunderhead.http.get("/v1/batches?batchName=a").status_code == 503
    thunderhead.tell(outage={"mode": "refuse", "seconds": 0.3})
    eventually(lambda: thunderhead.http.get("/v1/batches?batchName=a").status_code == 200)


def test_fates_by_name_prefix_and_configuration(thunderhead: Thunderhead) -> None:
    thunderhead.tell(
        fates=[
            {
                "match": {"document_name": "IVBRKCOM"},
                "status": "FAILED",
                "category": "TIMEOUT_ERROR",
                "description": "x",
            },
            {"match": {"batch_name": "MIS-7-*"}, "status": "STOPPED"},
            {"match": {"batch_config_id": "99??"}, "status": "NEVER"},
        ]
    )
    failed = thunderhead.submit("MIS-8-1", document("IVBRKCOM"))
    assert thunderhead.ended(failed)["status"] == "FAILED"
    assert thunderhead.errors(failed) == [{"category": "TIMEOUT_ERROR", "description": "x"}]
    stopped = thunderhead.submit("MIS-7-1")
    assert thunderhead.ended(stopped)["status"] == "STOPPED"
    assert thunderhead.errors(stopped) == []
    assert thunderhead.batch(thunderhead.submit("MIS-8-2", config_id="9912"))["status"] == "PROCESSING"
    assert thunderhead.ended(thunderhead.submit("MIS-8-3"))["status"] == "COMPLETED"


def test_a_fate_for_the_first_submits_of_a_request(thunderhead: Thunderhead) -> None:
    thunderhead.tell(fates=[{"match": {"batch_name": "MIS-9-*"}, "first_n": 2}, {"match": {"batch_name": "MIS-10-*"}}])
    ends = [thunderhead.ended(thunderhead.submit(f"MIS-9-{attempt}"))["status"] for attempt in (1, 2, 3)]
    assert ends == ["FAILED", "FAILED", "COMPLETED"]


@pytest.mark.parametrize(
    ("value", "status", "category"),
    [
        ("COMPLETED", "COMPLETED", None),
        ("FAILED_VALIDATION", "FAILED", "VALIDATION_ERROR"),
        ("FAILED_PROCESSING", "FAILED", "PROCESSING_ERROR"),
        ("FAILED_TIMEOUT", "FAILED", "TIMEOUT_ERROR"),
        ("FAILED_INTERNAL", "FAILED", "INTERNAL_ERROR"),
        ("STOPPED", "STOPPED", None),
        ("SOMETHING_ELSE", "COMPLETED", None),
    ],
)
def test_sandbox_values_that_end(thunderhead: Thunderhead, value: str, status: str, category: str | None) -> None:
    batch_id = thunderhead.submit("SANDBOX-1-1", document(sandbox=value))
    assert thunderhead.ended(batch_id)["status"] == status
    assert [error["category"] for error in thunderhead.errors(batch_id)] == [category] * (category is not None)


@pytest.mark.parametrize("value", ["SLOW", "NEVER"])
def test_sandbox_values_that_take_their_time(thunderhead: Thunderhead, value: str) -> None:
    assert thunderhead.batch(thunderhead.submit("SANDBOX-2-1", document(sandbox=value)))["status"] == "PROCESSING"


def test_sandbox_transient_fails_once_a_request(thunderhead: Thunderhead) -> None:
    for request in ("SANDBOX-3", "SANDBOX-4"):
        ids = [thunderhead.submit(f"{request}-{attempt}", document(sandbox="TRANSIENT")) for attempt in (1, 2)]
        assert [thunderhead.ended(batch_id)["status"] for batch_id in ids] == ["FAILED", "COMPLETED"]


def test_sandbox_values_that_concern_the_submit(thunderhead: Thunderhead) -> None:
    assert thunderhead.post("SANDBOX-5-1", document(sandbox="REJECTED")).status_code == 422
    unavailable = thunderhead.post("SANDBOX-6-1", document(sandbox="UNAVAILABLE_ONCE"))
    assert unavailable.status_code == 503
    assert unavailable.headers["retry-after"] == "1"
    assert thunderhead.named("SANDBOX-6-1") == []
    assert thunderhead.post("SANDBOX-6-1", document(sandbox="UNAVAILABLE_ONCE")).status_code == 202


def test_missing_ids_concern_a_look_up_by_ids_alone(thunderhead: Thunderhead) -> None:
    ids = [thunderhead.submit("MIS-11-1") for _ in range(4)]
    thunderhead.tell(hostile_answers={"missing_ids": 1})
    found = thunderhead.http.get("/v1/batches", params={"batchIds": ",".join(map(str, ids))}).json()["batches"]
    assert len(found) == 2
    assert len(thunderhead.named("MIS-11-1")) == 4  # else a client could not but make a second document


def test_ids_left_out(thunderhead: Thunderhead) -> None:
    ids = [thunderhead.submit("MIS-11-2") for _ in range(50)]
    thunderhead.tell(hostile_answers={"left_out_ids": 0.5})
    found = thunderhead.http.get("/v1/batches", params={"batchIds": ",".join(map(str, ids))}).json()["batches"]
    assert 5 < len(found) < 45
    assert len(thunderhead.named("MIS-11-2")) == 50


def test_empty_body_and_other_shape(thunderhead: Thunderhead) -> None:
    assert _hostile(thunderhead, "empty_body").content == b""
    assert "batches" not in _hostile(thunderhead, "other_shape").json()


def test_huge_ids(thunderhead: Thunderhead) -> None:
    content = _hostile(thunderhead, "huge_ids").json()
    assert content["batches"][0]["batchId"] > 2**63
    assert content["batches"][0]["dmsDocumentId"] > 2**63


def test_unknown_status(thunderhead: Thunderhead) -> None:
    assert _hostile(thunderhead, "unknown_status").json()["batches"][0]["status"] == "ARCHIVING"


def test_huge_body(thunderhead: Thunderhead) -> None:
    answer = _hostile(thunderhead, "huge_body")
    assert len(answer.content) > 8 * 2**20
    assert answer.json()["batches"]


def test_drip_feed(thunderhead: Thunderhead) -> None:
    batch_id = thunderhead.submit()
    thunderhead.tell(hostile_answers={"drip_feed": 1})
    with thunderhead.http.stream("GET", f"/v1/batches?batchIds={batch_id}") as answer:
        pieces = answer.iter_raw()
        assert len(next(pieces)) < 10
        begun = time.monotonic()
        assert len(next(pieces)) < 10
        assert time.monotonic() - begun > 0.1


def test_redirect(thunderhead: Thunderhead) -> None:
    answer = _hostile(thunderhead, "redirect")
    assert (answer.status_code, answer.headers["location"]) == (302, "http://elsewhere.invalid/v1/batches")


def test_wrong_content_type(thunderhead: Thunderhead) -> None:
    answer = _hostile(thunderhead, "wrong_content_type")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")


def test_not_json(thunderhead: Thunderhead) -> None:
    with pytest.raises(ValueError, match="line"):
        _hostile(thunderhead, "not_json").json()


def test_control_characters_in_error_texts(thunderhead: Thunderhead) -> None:
    batch_id = thunderhead.submit("MIS-12-1", document(sandbox="FAILED_INTERNAL"))
    thunderhead.tell(hostile_answers={"control_characters": 1})
    thunderhead.ended(batch_id)
    assert "\x00" in thunderhead.errors(batch_id)[0]["description"]


def test_misbehaviour_can_be_told_at_the_start_and_is_repeatable(tmp_path: Path) -> None:
    settings = {
        "OMS_THUNDERHEAD_SEED": "7",
        "OMS_THUNDERHEAD_SUBMIT_ERROR_RATE": "0.5",
        "OMS_THUNDERHEAD_SUBMIT_ERROR_STATUS": "[500, 503]",
        "OMS_THUNDERHEAD_OUTAGE": '{"mode": "refuse", "seconds": 0.01}',
        "OMS_THUNDERHEAD_RENDERING": "false",
    }
    seen = []
    for folder in ("a", "b"):
        with running_thunderhead(tmp_path / folder, **settings) as thunderhead:
            eventually(lambda: thunderhead.http.get("/v1/batches?batchName=a").status_code == 200)
            seen.append([_outcome(thunderhead, "MIS-13-1") for _ in range(20)])
            assert thunderhead.http.get("/control").json()["rendering"] is False
    assert seen[0] == seen[1]
    assert {202, 500, 503} == set(seen[0])


def _submit(name: str) -> dict[str, str]:
    return {"batchName": name, "batchConfigId": "1", "payload": document()}


def _hostile(thunderhead: Thunderhead, kind: str) -> httpx.Response:
    """The answer to a look-up by id when only this can happen."""
    batch_id = thunderhead.submit()
    thunderhead.tell(hostile_answers={kind: 1})
    return thunderhead.http.get(f"/v1/batches?batchIds={batch_id}")


def _outcome(thunderhead: Thunderhead, name: str) -> Any:
    """A submit's status, or that there was no whole answer."""
    try:
        return thunderhead.post(name).status_code
    except (httpx.RemoteProtocolError, httpx.ReadError):
        return "cut"


def _is_readable(thunderhead: Thunderhead, name: str) -> bool:
    """Does the answer to a submit tell the id of the batch?"""
    try:
        content = thunderhead.post(name).json()
    except (httpx.RemoteProtocolError, httpx.ReadError, ValueError):
        return False
    return isinstance(content, dict) and isinstance(content.get("batchId"), int)
