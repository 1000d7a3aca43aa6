"""Choose the fault of each call, by the settings. All random choices come from one seeded source."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from random import Random
from typing import Any

import msgspec
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from include.services.answers import json_answer, problem
from include.services.thunderhead.control import Control
from include.services.thunderhead.ledger import Batch
from include.services.thunderhead.wire import CutConnection, CutShort, Drip, Silence

OTHER_SHAPES = (b"[]", b'{"id": 7}', b'{"batchId": "7", "batchName": null, "status": "PROCESSING"}', b"null")
Answer = Callable[[Scope, Receive, Send], Awaitable[None]]

RETRY_AFTER_SECONDS = 5  # for an outage without an end
HUGE_BODY_BYTES = 8 * 2**20
GOLDEN_RATIO = 2_654_435_761  # of 2**32: Knuth's multiplicative hash, spreads ids that follow each other
CONTROL_CHARACTERS = "\x00\x07\x1b[2J\x1b]0;owned\x07\r\n\x85\u2028\u202e<script>alert(1)</script>"


class Misbehaviour:
    """The settings with their random source and counters."""

    def __init__(self, control: Control, seed: int) -> None:
        self.control = control
        self.calls = 0  # under /v1, and those of them that were submits or over a limit
        self.submits = 0
        self.limited = 0
        self._in_flight = 0
        self._chance = Random(seed)  # noqa: S311 - repeatable on purpose
        self._second = 0
        self._calls_this_second = 0

    def happens(self, rate: float) -> bool:
        """Draw with a probability. A rate of 0 draws nothing, so that it does not change the sequence of the others."""
        return rate > 0 and self._chance.random() < rate

    def generation_seconds(self, told: float | None) -> float:
        """How long a batch takes; ``told`` is its fate's own."""
        if told is not None:
            return told
        jitter = self.control.generation_jitter_seconds
        return self.control.generation_seconds + (self._chance.uniform(0, jitter) if jitter else 0)

    def keeps_document_id(self, batch: Batch) -> bool:
        """Whether this batch's document id is not told yet. Drawn by its id: every look-up gets the same answer."""
        drawn = batch.batch_id * GOLDEN_RATIO % 2**32 / 2**32
        told = self.control
        return drawn < told.late_document_id_rate and time.time() < batch.ends_at + told.late_document_id_seconds

    @contextmanager
    def in_hand(self, method: str) -> Iterator[None]:
        """One call under /v1, while it is worked on."""
        self.calls += 1
        self.submits += method == "POST"
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1

    def over_a_limit(self) -> Answer | None:
        """The refusal of a call too many, at a time or a second; None where there is room for it."""
        most = self.control.most_in_flight
        if (most is None or self._in_flight <= most) and not self._is_over_the_rate():
            return None
        self.limited += 1
        form = self._chance.choice(_retry_after(self.control.limit_retry_after_seconds))
        return problem(429, "More calls than allowed.", {"Retry-After": form})

    def before_any_call(self) -> Answer | None:
        """The answer of a fault before the call is read, or None."""
        return CutConnection() if self.happens(self.control.cut_connection_rate) else None

    def before_submit(self) -> Answer | None:
        """A submit that fails without effect, or None."""
        return self._error() if self.happens(self.control.submit_error_rate) else None

    def before_lookup(self) -> Answer | None:
        """A look-up that fails, or None."""
        return self._error() if self.happens(self.control.read_error_rate) else None

    def after_submit(self, batch: dict[str, Any]) -> Answer | None:
        """The answer to a submit that had its effect but does not say so, or None."""
        if self.happens(self.control.error_after_effect_rate):
            status = self._chance.choice((500, 502, 503, 504, 0))
            return problem(status, "Told to fail. What was made stays made.") if status else CutConnection()
        if self.happens(self.control.hang_after_effect_rate):
            return Silence()
        if self.happens(self.control.unreadable_answer_rate):
            return self._unreadable(msgspec.json.encode(batch))
        return None

    def after_lookup(self, content: dict[str, Any], *, by_ids: bool = False) -> Answer | None:
        """A look-up's hostile answer, or None."""
        told = self.control.hostile_answers
        for kind in HOSTILE:
            possible = (kind != "missing_ids" or by_ids) and (kind != "control_characters" or "errors" in content)
            if possible and self.happens(getattr(told, kind)):
                return HOSTILE[kind](content)
        if by_ids and told.left_out_ids:
            return json_answer({"batches": [it for it in content["batches"] if not self.happens(told.left_out_ids)]})
        return None

    def _error(self) -> Answer:
        status, seconds = self._chance.choice(self.control.submit_error_status), self.control.error_retry_after_seconds
        header = {"Retry-After": _retry_after(seconds)[0]} if status == 503 and seconds is not None else None
        return problem(status, "Told to fail. Nothing was made.", header)

    def _unreadable(self, body: bytes) -> Answer:
        bodies = (b"", body[: len(body) // 2], b"<html>202 Accepted</html>", self._chance.choice(OTHER_SHAPES))
        answers: list[Answer] = [Response(body, 202, media_type="application/json") for body in bodies]
        answers.append(CutShort(202, body))
        return self._chance.choice(answers)

    def _is_over_the_rate(self) -> bool:
        limit = self.control.rate_limit_per_second
        if limit is None:
            return False
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._calls_this_second = second, 0
        self._calls_this_second += 1
        return self._calls_this_second > limit


def is_out(control: Control) -> bool:
    """Is there an outage of any kind?"""
    return control.outage is not None and control.outage.seconds_left() > 0


def outage_answer(control: Control) -> Answer | None:
    """What every call meets while an outage lasts; None where there is none. A hang is for the caller to do."""
    outage = control.outage
    left = outage.seconds_left() if outage else 0
    if outage is None or not left:
        return None
    if outage.mode == "reset":
        return CutConnection()
    if outage.mode == "unauthorized":
        return problem(401, "Told to know nobody.")
    seconds, date = _retry_after(RETRY_AFTER_SECONDS if left == float("inf") else left)
    header = {"retry_after_seconds": {"Retry-After": seconds}, "retry_after_date": {"Retry-After": date}}
    return problem(503, "Told to be out of order.", header.get(outage.mode))


def hangs(control: Control) -> bool:
    """Is this an outage in which nobody answers at all?"""
    return control.outage is not None and control.outage.mode == "hang" and control.outage.seconds_left() > 0


def _retry_after(seconds: float) -> tuple[str, str]:
    """Both forms the header may have: whole seconds, rounded up, and an HTTP date."""
    whole = int(seconds) + 1 if seconds % 1 else int(seconds)
    return str(whole), format_datetime(datetime.now(UTC) + timedelta(seconds=whole), usegmt=True)


def _changed(content: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The same answer with members of each batch replaced."""
    if "batches" in content:
        return {"batches": [batch | changes for batch in content["batches"]]}
    return content | changes if "batchId" in content else content


def _missing_ids(content: dict[str, Any]) -> Answer:
    return json_answer({"batches": content["batches"][1::2]})


def _huge_ids(content: dict[str, Any]) -> Answer:
    body = msgspec.json.encode(_changed(content, batchId=2**63 - 1, dmsDocumentId=2**63 - 1))
    return Response(body.replace(str(2**63 - 1).encode(), b"9" * 30), media_type="application/json")


def _huge_body(content: dict[str, Any]) -> Answer:
    async def chunks() -> Any:
        yield msgspec.json.encode(content)[:-1] + b', "padding": "'
        for _ in range(HUGE_BODY_BYTES // 65_536):
            yield b"x" * 65_536
        yield b'"}'

    return StreamingResponse(chunks(), media_type="application/json")


def _not_json(content: dict[str, Any]) -> Answer:
    body = msgspec.json.encode(content)
    return Response(body[: len(body) // 2], media_type="application/json")


def _control_characters(content: dict[str, Any]) -> Answer:
    errors = content["errors"] or [{"category": "INTERNAL_ERROR", "description": ""}]
    return json_answer({"errors": [e | {"description": e["description"] + CONTROL_CHARACTERS} for e in errors]})


# One for each field of HostileAnswers, but for left_out_ids.
HOSTILE: dict[str, Callable[[dict[str, Any]], Answer]] = {
    "missing_ids": _missing_ids,
    "huge_ids": _huge_ids,
    "unknown_status": lambda content: json_answer(_changed(content, status="ARCHIVING")),
    "huge_body": _huge_body,
    "drip_feed": lambda content: Drip(msgspec.json.encode(content)),
    "redirect": lambda _: RedirectResponse("http://elsewhere.invalid/v1/batches", 302),
    "wrong_content_type": lambda _: Response("<html>Please log in</html>", media_type="text/html"),
    "not_json": _not_json,
    "empty_body": lambda _: Response(b"", media_type="application/json"),
    "other_shape": lambda _: Response(OTHER_SHAPES[2], media_type="application/json"),
    "control_characters": _control_characters,
}
