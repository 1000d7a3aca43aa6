"""What an answer of an outside system means, without a socket: tables of answers and their results."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, cast

import msgspec
import pytest

from include.oms.base.settings import Settings
from include.oms.outside.door import Door
from include.oms.outside.reference_data import ReferenceData
from include.oms.outside.text import clean_text, problem_text
from include.oms.outside.thunderhead import Batch, GenerationError, Thunderhead
from include.oms.outside.transport import LONGEST_RETRY_AFTER_SECONDS, Answer, retry_after
from include.oms.words.errors import Limited, NotConfigured, OutcomeUnknown, Rejected, Unavailable
from include.oms.words.model import Category

HTML = b"<html>Bad Gateway</html>"
PROBLEM = {"type": "about:blank", "title": "No", "detail": "of a kind"}
BATCH = {"batchId": 7, "batchName": "OMS-1-1", "status": "PROCESSING"}


class AnsweringDoor:
    """Gives every call the same answer."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer

    async def call(self, method: str, path: str, *, read: Callable[[Answer], Any], **_: Any) -> Any:
        return read(self.answer)


def answer(status: int, content: Any, seconds: float | None = None) -> Answer:
    """``content`` as bytes is no JSON."""
    if isinstance(content, bytes):
        return Answer(status, None, seconds, content)
    return Answer(status, content, seconds, msgspec.json.encode(content))


def thunderhead(given: Answer) -> Thunderhead:
    return Thunderhead(cast(Door, AnsweringDoor(given)), Settings())


def reference_data(given: Answer) -> ReferenceData:
    return ReferenceData(cast(Door, AnsweringDoor(given)), Settings())


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        (answer(202, BATCH), 7),
        (answer(200, BATCH | {"more": 1}), 7),
        (answer(202, BATCH | {"batchName": "OMS-2-1"}), OutcomeUnknown),
        (answer(202, BATCH | {"batchId": True}), OutcomeUnknown),
        (answer(202, BATCH | {"batchId": 2**63}), OutcomeUnknown),
        (answer(202, []), OutcomeUnknown),
        (answer(202, HTML), OutcomeUnknown),
        (answer(302, HTML), OutcomeUnknown),
        (answer(400, PROBLEM), Rejected),
        (answer(413, PROBLEM), Rejected),
        (answer(422, PROBLEM), Rejected),
        (answer(400, HTML), OutcomeUnknown),
        (answer(422, {"error": "no problem of RFC 9457"}), OutcomeUnknown),
        (answer(401, PROBLEM), Unavailable),
        (answer(403, PROBLEM), Unavailable),
        (answer(409, PROBLEM), Unavailable),
        (answer(429, PROBLEM, 3), Limited),
        (answer(429, HTML, 3), OutcomeUnknown),
        (answer(500, PROBLEM), OutcomeUnknown),
        (answer(502, HTML), OutcomeUnknown),
        (answer(504, PROBLEM), OutcomeUnknown),
    ],
)
async def test_a_submit_is_refused_only_by_an_answer_that_says_so(given: Answer, outcome: int | type) -> None:
    submit = thunderhead(given).submit(batch_name="OMS-1-1", batch_config_id="C", xml="<document/>")
    if isinstance(outcome, int):
        assert await submit == outcome
        return
    with pytest.raises(outcome) as raised:
        await submit
    assert type(raised.value) is outcome
    if given.retry_after is not None:
        assert raised.value.retry_after == given.retry_after


FOUND = Batch(7, "OMS-1-1", "PROCESSING", None)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({"batches": []}, []),
        ({"batches": [BATCH]}, [FOUND]),
        ({"batches": [BATCH | {"batchName": "OMS-1-2"}]}, None),
        ({"batches": [BATCH, {"batchId": 8}]}, None),
        ({"batches": {}}, None),
        ([], None),
        (HTML, None),
    ],
)
async def test_nothing_is_there_only_if_the_answer_says_so(content: Any, found: list[Batch] | None) -> None:
    look_up = thunderhead(answer(200, content)).find_all_by_name("OMS-1-1")
    if found is not None:
        assert await look_up == found
        return
    with pytest.raises(Unavailable):
        await look_up


async def test_a_look_up_by_ids_leaves_out_what_cannot_be_read() -> None:
    done = BATCH | {"batchId": 8, "status": "COMPLETED", "dmsDocumentId": 9}
    content = {"batches": [BATCH, {"batchId": "x"}, done, BATCH | {"batchId": 10, "dmsDocumentId": -1}]}
    assert await thunderhead(answer(200, content)).find_by_ids([7, 8, 10]) == {
        7: FOUND, 8: Batch(8, "OMS-1-1", "COMPLETED", 9), 10: Batch(10, "OMS-1-1", "PROCESSING", None),
    }  # fmt: skip


async def test_a_category_that_nobody_knows_is_kept_in_the_description() -> None:
    content = {"errors": [{"category": "NEW", "description": "a\0b"}, {"category": "VALIDATION_ERROR"}, 1]}
    assert await thunderhead(answer(200, content)).errors_of(7) == [
        GenerationError(Category.UNKNOWN_ERROR, "NEW: a b"),
        GenerationError(Category.VALIDATION_ERROR, "no description"),
    ]


ROW = {"code": "BATCH_CONFIG_ID", "value": "C"}


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        (answer(200, []), {}),
        (answer(200, [ROW]), {"BATCH_CONFIG_ID": "C"}),
        (answer(200, [ROW, ROW]), NotConfigured),
        (answer(200, [{"code": " ", "value": "C"}]), NotConfigured),
        (answer(200, [{"code": "A", "value": 1}]), NotConfigured),
        (answer(200, {}), NotConfigured),
        (answer(200, HTML), Unavailable),
        (answer(400, PROBLEM), NotConfigured),
        (answer(404, PROBLEM), Unavailable),
        (answer(429, PROBLEM, 3), Limited),
        (answer(503, PROBLEM), Unavailable),
        (Answer(200, None, None, None), NotConfigured),
    ],
)
async def test_a_configuration_concerns_its_document_and_an_outage_all(given: Answer, outcome: Any) -> None:
    asked = reference_data(given).configuration("POSHOOFF", "NL")
    if isinstance(outcome, dict):
        assert await asked == outcome
        return
    with pytest.raises(outcome) as raised:
        await asked
    assert type(raised.value) is outcome


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None), ("3", 3.0), (" 3 ", 3.0), ("-3", None), ("soon", None), ("9" * 400, LONGEST_RETRY_AFTER_SECONDS),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("Wed, 99 Oct 2015 07:28:00 GMT", None),
    ],
)  # fmt: skip
def test_a_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after({} if header is None else {"Retry-After": header}) == seconds


def test_a_retry_after_as_a_date_counts_from_now() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=2), usegmt=True)
    seconds = retry_after({"Retry-After": date})
    assert seconds is not None
    assert 60 < seconds <= 120


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, None), ([], None), ({}, None), ({"error": "x"}, None), ({"status": 400}, "no reason given"),
        ({"title": "No", "detail": "a\x1bb"}, "No: a b"), ({"detail": ["x"]}, "['x']"),
    ],
)  # fmt: skip
def test_a_problem_is_told_by_its_members(content: Any, text: str | None) -> None:
    assert problem_text(content) == text


def test_a_foreign_text_is_bounded_and_keeps_its_lines() -> None:
    assert clean_text("a\nb\0" + "c" * 2000) == "a\nb " + "c" * 996
