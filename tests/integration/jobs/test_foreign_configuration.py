"""Whatever the Reference Data API says of one document, the others are made."""

from __future__ import annotations

import json
from typing import Any

import pytest

from include.oms.ending.topics import name_topics
from include.oms.testing.outside import problem, raw
from include.oms.testing.system import Oms

ODD, GOOD = "IVBRKCOM", "IVZRECPA"


def rows(**values: Any) -> list[dict[str, Any]]:
    """A configuration as the API answers it."""
    return [{"code": code, "value": value} for code, value in ({"BATCH_CONFIG_ID": "1000"} | values).items()]


UNUSABLE: dict[str, Any] = {
    "an id with NUL": rows(BATCH_CONFIG_ID="10\x0000"),
    "a huge id": rows(BATCH_CONFIG_ID="1" * 3000),
    "an id with a line end": rows(BATCH_CONFIG_ID="1000\n"),
    "an id of blanks": rows(BATCH_CONFIG_ID="  "),
    "an id that is a number": rows(BATCH_CONFIG_ID=1000),
    "a topic with NUL": rows(TOPIC_NAME="a\x00b"),
    "a topic of Kafka's own": rows(TOPIC_NAME="__consumer_offsets"),
    "a topic with blanks": rows(TOPIC_NAME="my topic"),
    "a huge topic": rows(TOPIC_NAME="t" * 300),
    "a signatory of NULs": rows(SIGNEE_1="\x00" * 10),
    "a huge signatory": rows(SIGNEE_1="x" * 100_000),
    "no signatory but null": rows(SIGNEE_1=None),
    "a code with NUL": [*rows(), {"code": "A\x00", "value": "x"}],
    "no code": [*rows(), {"value": "x"}],
    "an id twice": [*rows(), *rows(BATCH_CONFIG_ID="2000")],
    "rows that are none": [1, None, []],
    "too many rows": [{"code": f"C{n}", "value": ""} for n in range(5000)],
    "no list": {"rows": rows()},
}
UNREADABLE: dict[str, bytes] = {
    "a lone surrogate": b'[{"code": "BATCH_CONFIG_ID", "value": "\\ud800"}]',
    "no UTF-8": b'[{"code": "BATCH_CONFIG_ID", "value": "\xff"}]',
    "too deep": b"[" * 100_000,
    "too long": b'[{"code": "BATCH_CONFIG_ID", "value": "' + b"x" * 5_000_000 + b'"}]',
}
ANSWERS = {
    **{name: raw(200, json.dumps(content).encode()) for name, content in UNUSABLE.items()},
    **{name: raw(200, body) for name, body in UNREADABLE.items()},
    "a question that it does not take": problem(422),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_it_is_that_documents_configuration_error_and_the_others_go_on(oms: Oms, name: str) -> None:
    oms.reference_data.answers[ODD] = ANSWERS[name]
    odd = await oms.queued(8, document_name=ODD)
    good = await oms.queued(2)
    await oms.run_processing()

    for request_id in odd:
        assert (await oms.request(request_id))["status"] == "FAILED"
    errors = await oms.rows("SELECT DISTINCT stage, category FROM request_errors")
    assert errors == [{"stage": "ENRICHMENT", "category": "CONFIGURATION_ERROR"}]
    assert [(await oms.request(request_id))["stage"] for request_id in good] == ["GENERATION"] * 2
    assert oms.reference_data.calls == 2, "each document is asked about once"
    dial = await oms.rows("SELECT failures FROM outside_systems WHERE system = 'REFERENCE_DATA'")
    assert dial[0]["failures"] == 0

    oms.reference_data_client._known.clear()
    await name_topics(oms.connection, oms.reference_data_client, oms.settings)
    assert {event["topic"] for event in await oms.events()} == {oms.settings.kafka_topic}


async def test_a_page_that_is_no_json_is_an_outage(oms: Oms) -> None:
    oms.reference_data.answers[ODD] = raw(200, b"<html>back soon</html>", "text/html")
    (request_id,) = await oms.queued(document_name=ODD)
    await oms.run_processing()
    assert (await oms.request(request_id))["status"] == "QUEUED"


async def test_one_document_that_gets_no_answer_keeps_no_other_from_its_topic(oms: Oms) -> None:
    oms.reference_data.unknown_documents |= {ODD, GOOD}
    await oms.queued(document_name=ODD)
    await oms.queued(document_name=GOOD)
    await oms.run_processing()
    oms.reference_data_client._known.clear()
    oms.reference_data.unknown_documents.clear()
    oms.reference_data.answers[ODD] = problem(500)
    with pytest.raises(Exception, match="500"):
        await name_topics(oms.connection, oms.reference_data_client, oms.settings)
    assert {event["topic"] for event in await oms.events()} == {None, oms.settings.kafka_topic}
