"""The simulator keeps the contract: include/contracts/thunderhead.openapi.yaml."""

from __future__ import annotations

from typing import Any

import httpx
import jsonschema
import pytest
import yaml

from tests.integration.services.conftest import Thunderhead, document
from tests.integration.services.running import ROOT

pytestmark = pytest.mark.integration

CONTRACT = yaml.safe_load((ROOT / "include/contracts/thunderhead.openapi.yaml").read_text())


def assert_is_a_batch(content: Any) -> None:
    jsonschema.validate(content, CONTRACT["components"]["schemas"]["Batch"])


def assert_is_a_problem(answer: httpx.Response, status: int) -> None:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert answer.json()["detail"]


def test_a_submit_makes_a_batch_that_completes(thunderhead: Thunderhead) -> None:
    answer = thunderhead.post("CONTRACT-1-1")
    assert answer.status_code == 202
    assert_is_a_batch(answer.json())
    assert answer.json()["status"] == "PROCESSING"
    assert answer.json()["dmsDocumentId"] is None
    ended = thunderhead.ended(answer.json()["batchId"])
    assert_is_a_batch(ended)
    assert ended["status"] == "COMPLETED"
    assert ended["dmsDocumentId"] > 2**31
    assert thunderhead.errors(ended["batchId"]) == []


def test_a_batch_is_processing_until_its_generation_time_is_over(thunderhead: Thunderhead) -> None:
    thunderhead.tell(generation_seconds=3600)
    assert thunderhead.batch(thunderhead.submit())["status"] == "PROCESSING"


def test_the_same_name_twice_makes_two_batches_found_newest_first(thunderhead: Thunderhead) -> None:
    first, second = thunderhead.submit("CONTRACT-2-1"), thunderhead.submit("CONTRACT-2-1")
    assert thunderhead.named("CONTRACT-2-1") == [second, first]
    assert thunderhead.named("CONTRACT-2-") == []
    assert thunderhead.named("contract-2-1") == []


def test_a_look_up_by_ids_leaves_unknown_ones_out(thunderhead: Thunderhead) -> None:
    known = thunderhead.submit()
    ids = f"{known},7,-1,{2**63},{10**40}"
    found = thunderhead.http.get("/v1/batches", params={"batchIds": ids})
    assert [batch["batchId"] for batch in found.json()["batches"]] == [known]
    for batch in found.json()["batches"]:
        assert_is_a_batch(batch)


def test_a_look_up_takes_up_to_100_ids(thunderhead: Thunderhead) -> None:
    def look_up(count: int) -> httpx.Response:
        return thunderhead.http.get("/v1/batches", params={"batchIds": ",".join(map(str, range(1, count + 1)))})

    assert look_up(100).status_code == 200
    assert_is_a_problem(look_up(101), 400)


@pytest.mark.parametrize("query", ["batchIds=", "batchIds=1,x", "batchIds=1.5", "batchIds=1,,2", "batchIds=%C2%B2",
                                   "", "batchIds=1&batchName=a"])  # fmt: skip
def test_a_look_up_that_asks_for_nothing_sensible_is_answered_400(thunderhead: Thunderhead, query: str) -> None:
    assert_is_a_problem(thunderhead.http.get(f"/v1/batches?{query}"), 400)


@pytest.mark.parametrize("path", ["/v1/batches/7", "/v1/batches/x", f"/v1/batches/{10**30}", "/v1/batches/7/errors",
                                  "/v1/documents/7", "/v1/documents/x", "/v1/nothing", "/nothing"])  # fmt: skip
def test_what_is_not_there_is_answered_404(thunderhead: Thunderhead, path: str) -> None:
    assert_is_a_problem(thunderhead.http.get(path), 404)


def test_a_document_is_not_there_before_its_batch_has_completed(thunderhead: Thunderhead) -> None:
    thunderhead.tell(generation_seconds=3600)
    batch_id = thunderhead.submit()
    assert_is_a_problem(thunderhead.http.get(f"/v1/documents/{5_000_000_000 + batch_id}"), 404)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer another"}, {"Authorization": "Basic eDp5"}])
@pytest.mark.parametrize("path", ["/v1/batches?batchName=a", "/control", "/control/ledger"])
def test_strangers_are_answered_401(thunderhead: Thunderhead, path: str, headers: dict[str, str]) -> None:
    assert_is_a_problem(httpx.get(thunderhead.service.url + path, headers=headers), 401)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff", 400),
        (b'{"x": ' + b"[" * 100_000, 400),
        (b'{"batchName": "\\ud800", "batchConfigId": "1", "payload": "<a/>"}', 400),
        (b"[]", 422),
        (b"{}", 422),
        (b'{"batchName": "a", "batchConfigId": 1, "payload": "<a/>"}', 422),
        (b'{"batchName": "a", "batchConfigId": "1", "payload": null}', 422),
        (b'{"batchName": "' + b"x" * 101 + b'", "batchConfigId": "1", "payload": "<a/>"}', 422),
    ],
)
def test_a_submit_that_is_none_is_a_problem(thunderhead: Thunderhead, body: bytes, status: int) -> None:
    assert_is_a_problem(thunderhead.http.post("/v1/batches", content=body), status)


def test_a_name_of_100_characters_is_taken_as_it_is(thunderhead: Thunderhead) -> None:
    name = "ü€" * 50
    batch_id = thunderhead.submit(name)
    assert thunderhead.named(name) == [batch_id]


def test_a_submit_over_the_limit_is_answered_413(thunderhead: Thunderhead) -> None:
    too_long = b" " * 16_777_217
    assert_is_a_problem(thunderhead.http.post("/v1/batches", content=too_long), 413)

    def chunks() -> Any:
        for _ in range(17):
            yield b" " * 2**20

    assert_is_a_problem(thunderhead.http.post("/v1/batches", content=chunks()), 413)


def test_a_wrong_method_is_answered_405(thunderhead: Thunderhead) -> None:
    assert_is_a_problem(thunderhead.http.delete("/v1/batches"), 405)


def test_the_ledger_lists_everything_in_pages(thunderhead: Thunderhead) -> None:
    made = [thunderhead.submit(f"CONTRACT-3-{n}") for n in range(5)]
    seen: list[dict[str, Any]] = []
    after: int | None = made[0] - 1
    while after is not None:
        page = thunderhead.http.get("/control/ledger", params={"after": after, "limit": 2}).json()
        seen, after = seen + page["batches"], page["next"]
    assert [batch["batchId"] for batch in seen] == made
    assert [batch["batchName"] for batch in seen] == [f"CONTRACT-3-{n}" for n in range(5)]
    for query in ("after=x", "limit=0", "limit=10001", f"after={10**30}"):
        assert_is_a_problem(thunderhead.http.get(f"/control/ledger?{query}"), 400)


def test_two_thousand_bytes_of_anything_are_a_payload(thunderhead: Thunderhead) -> None:
    """What is no XML is accepted, and fails: the generator looks at it later."""
    batch_id = thunderhead.submit(payload="<not><xml>" * 200)
    assert thunderhead.ended(batch_id)["status"] == "FAILED"
    assert thunderhead.errors(batch_id)[0]["category"] == "VALIDATION_ERROR"


def test_a_document_type_declaration_is_refused(thunderhead: Thunderhead) -> None:
    entities = '<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    bomb = document().replace("<document", entities + "<document").replace("C-4711", "&b;")
    batch_id = thunderhead.submit(payload=bomb)
    assert thunderhead.ended(batch_id)["status"] == "FAILED"
    assert "DTD" in thunderhead.errors(batch_id)[0]["description"]
