"""The four ledgers compared: what the intake accepted, the rows, Thunderhead's own, and Kafka's. Pure."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from include.local.chaos.orders import Order
from include.local.chaos.reader import Message
from include.local.chaos.rows import Rows
from include.local.demo.comparison import SCHEMA

RUN_SCHEMA = SCHEMA.with_name("run-completed-event.schema.json")
TOTALS = ("expected", "received", "completed", "failed", "stopped", "withdrawn")

Accepted = Mapping[tuple[str, str], set[int]]


@dataclass(frozen=True)
class Verdict:
    """The differences by kind, a sentence each; all lists are empty if the ledgers agree."""

    lost: list[str]
    doubled: list[str]
    misordered: list[str]
    violations: list[str]  # of the event's schema
    blamed: list[str]  # requests whose end differs from their own fate
    runs: list[str]  # runs that have not completed, or whose event says something else

    def numbers(self) -> dict[str, int]:
        """The number of each kind."""
        return {
            "lost": len(self.lost),
            "doubled": len(self.doubled),
            "misordered": len(self.misordered),
            "schema violations": len(self.violations),
            "blamed for another's fault": len(self.blamed),
            "runs told wrongly": len(self.runs),
        }

    def sentences(self) -> list[str]:
        """All of it."""
        return [*self.runs, *self.lost, *self.doubled, *self.misordered, *self.violations, *self.blamed]


def compare(
    orders: Iterable[Order],
    accepted: Accepted,
    rows: Rows,
    batches: Sequence[Mapping[str, Any]],
    messages: Sequence[Message],
    run_messages: Sequence[Message] = (),
) -> Verdict:
    """Compare. ``batches`` is Thunderhead's ledger; messages are in the order in which they were read."""
    by_order = {order.key: order for order in orders}
    return Verdict(
        lost=[
            *_lost_requests(by_order, accepted, rows),
            *_lost_events(rows, messages),
            *_lost_documents(rows, batches),
        ],
        doubled=[*_doubled_requests(accepted, rows), *_doubled_documents(rows, batches), *_doubled_events(messages)],
        misordered=list(_misordered(messages)),
        violations=list(_violations(messages)),
        blamed=list(_blamed(by_order, rows)),
        runs=list(_runs(rows, run_messages)),
    )


def repeated(messages: Sequence[Message]) -> int:
    """Number of repeated messages with the same event id, which the contract allows."""
    ids = [content.get("id") for message in messages if isinstance(content := message.content(), dict)]
    return len(ids) - len(set(ids))


def _lost_requests(orders: Mapping[tuple[str, str], Order], accepted: Accepted, rows: Rows) -> Iterator[str]:
    stored = {row.request_id for row in rows.requests}
    yield from (f"Order {key[1]} was never accepted." for key in orders if key not in accepted)
    for key, ids in accepted.items():
        yield from (f"Request {it} ({key[1]}) was accepted, and is not stored." for it in ids - stored)
    for row in rows.requests:
        if row.status not in ("COMPLETED", "FAILED", "STOPPED"):
            yield f"Request {row.request_id} has not ended: it is {row.status}."


def _lost_events(rows: Rows, messages: Sequence[Message]) -> Iterator[str]:
    written = {(row.request_id, row.revision) for row in rows.events}
    for row in rows.requests:
        for revision in range(1, row.revision + 1):
            if (row.request_id, revision) not in written:
                yield f"End {revision} of request {row.request_id} has no event."
    told = {content.get("id") for message in messages if isinstance(content := message.content(), dict)}
    for row in rows.events:
        if row.event_id not in told:
            aside = f": it was set aside: {row.set_aside_reason}" if row.set_aside_reason else "."
            yield f"The event of end {row.revision} of request {row.request_id} was not read from Kafka{aside}"


def _lost_documents(rows: Rows, batches: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Documents that only OMS or only Thunderhead knows."""
    known = {row.batch_name: row for row in rows.batches}
    completed = {batch["batchName"] for batch in batches if batch["status"] == "COMPLETED"}
    done = {row.request_id for row in rows.requests if row.status == "COMPLETED"}
    having = {known[name].request_id for name in completed if name in known}
    yield from (f"Request {it} is COMPLETED, and Thunderhead has no document of it." for it in sorted(done - having))
    yield from (f"Thunderhead has a document of request {it}, which is not COMPLETED." for it in sorted(having - done))
    yield from (
        f"Thunderhead has batch {it['batchName']}, which OMS does not."
        for it in batches
        if it["batchName"] not in known
    )


def _doubled_requests(accepted: Accepted, rows: Rows) -> Iterator[str]:
    for key, ids in accepted.items():
        if len(ids) > 1:
            yield f"Order {key[1]} was accepted as {len(ids)} requests: {sorted(ids)}."
    given = set().union(*accepted.values())
    yield from (
        f"Request {it.request_id} is stored, and was not accepted."
        for it in rows.requests
        if it.request_id not in given
    )


def _doubled_documents(rows: Rows, batches: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A batch made twice; and two documents of one request: a request that is COMPLETED is never driven again."""
    names = Counter(batch["batchName"] for batch in batches)
    yield from (f"Batch {name} was made {n} times." for name, n in names.items() if n > 1)
    request_of = {row.batch_name: row.request_id for row in rows.batches}
    made = Counter(request_of.get(batch["batchName"]) for batch in batches if batch["status"] == "COMPLETED")
    yield from (f"Request {it} has {n} documents." for it, n in made.items() if it is not None and n > 1)


def _doubled_events(messages: Sequence[Message]) -> Iterator[str]:
    """More than one event id, or more than one content, for one end."""
    told: dict[tuple[str, int], set[bytes]] = defaultdict(set)
    for message in messages:
        if (revision := _revision(message)) is not None:
            told[message.key, revision].add(message.value)
    yield from (f"End {end} of request {key} has {len(it)} events." for (key, end), it in told.items() if len(it) > 1)


def _misordered(messages: Sequence[Message]) -> Iterator[str]:
    """A revision that came after a higher one of the same key."""
    highest: dict[str, int] = {}
    for message in messages:
        revision = _revision(message)
        if revision is None:
            continue
        if revision < highest.get(message.key, 0):
            yield f"End {revision} of request {message.key} came after end {highest[message.key]}."
        highest[message.key] = max(revision, highest.get(message.key, 0))


def _violations(messages: Sequence[Message]) -> Iterator[str]:
    for message in {(it.key, it.value): it for it in messages}.values():
        content = message.content()
        for error in _validator(SCHEMA).iter_errors(content):
            yield f"An event of request {message.key} is not as its schema says: {error.message[:200]}"
        if isinstance(content, dict) and content.get("subject") != message.key:
            yield f"An event of request {content.get('subject')} has the key {message.key}."


def _blamed(orders: Mapping[tuple[str, str], Order], rows: Rows) -> Iterator[str]:
    for row in rows.requests:
        order = orders.get((row.source_system, row.request_correlation_id))
        if order and row.status in ("COMPLETED", "FAILED", "STOPPED") and row.status != order.expected:
            yield f"Request {row.request_id} had to end {order.expected}, and ended {row.status}: {row.last_error}."


def _runs(rows: Rows, messages: Sequence[Message]) -> Iterator[str]:
    """Each run has completed, and has one event, which counts what the rows count."""
    for run in rows.runs:
        if run.completed_at is None:
            yield f"Run {run.run_id} has not completed: {run.missing} missing."
            continue
        told = {it.value: it for it in messages if it.key == f"run-{run.run_id}"}
        if len(told) != 1:
            yield f"Run {run.run_id} has {len(told)} events."
        for content in (it.content() for it in told.values()):
            yield from (
                f"The event of run {run.run_id} is not as its schema says: {error.message[:200]}"
                for error in _validator(RUN_SCHEMA).iter_errors(content)
            )
            counts = {name: getattr(run, name) for name in TOTALS}
            said = content.get("data", {}) if isinstance(content, dict) else {}
            if counts != {name: said.get(name) for name in TOTALS}:
                yield f"Run {run.run_id} has {counts}, and its event says {said}."


def _revision(message: Message) -> int | None:
    content = message.content()
    data = content.get("data") if isinstance(content, dict) else None
    revision = data.get("revision") if isinstance(data, dict) else None
    return revision if isinstance(revision, int) else None


@cache
def _validator(schema: Path) -> Any:
    return Draft202012Validator(json.loads(schema.read_text()), format_checker=FormatChecker())
