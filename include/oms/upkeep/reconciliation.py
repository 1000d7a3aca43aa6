"""The daily reconciliation: requests in = ended + open, final events = ends, our batches = Thunderhead's.

Each equation compares two records that are written independently: the request and its timeline, the end and the outbox,
our batches and Thunderhead's own.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial

from psycopg import AsyncConnection
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from include.oms.base import database
from include.oms.base.settings import Settings
from include.oms.base.tables import markdown_table
from include.oms.outside.breaker import System
from include.oms.outside.rate_limit import health_of
from include.oms.outside.thunderhead import Thunderhead
from include.oms.upkeep.discrepancies import MOST_LISTED, Discrepancies, Discrepancy, Kind
from include.oms.upkeep.thunderhead_comparison import Comparison
from include.oms.upkeep.window import Window
from include.oms.words.errors import Unavailable

MOST_DAYS_MADE_UP_FOR = 6  # missed days that one run reconciles, besides its own day
MOST_A_STATEMENT = 10 * MOST_LISTED  # discrepancies of one hour, or of a part of it, that are counted

WHAT_IS_COUNTED = {
    "requests_in": "requests taken in",
    "requests_ended": "- of these ended",
    "requests_open": "- of these open",
    "ends": "ends, by the timeline",
    "events": "final events",
    "events_published": "- of these published",
    "events_waiting": "- of these waiting in the outbox",
    "events_set_aside": "- of these set aside",
    "runs_opened": "runs opened",
    "runs_completed": "- of these completed",
    "runs_open": "- of these open",
    "batches": "batches",
    "batches_compared": "- of these compared with Thunderhead",
    "names_looked_up": "- of these looked up by name, for orphans and doubles",
}


@dataclass(frozen=True)
class Reconciliation:
    """The result for one window."""

    window: Window
    counts: Counter[str]
    found: Discrepancies

    @property
    def adds_up(self) -> bool:
        """Whether no discrepancy was found."""
        return not self.found

    def report(self) -> str:
        """The report for operators, in Markdown."""
        verdict = "Everything adds up." if self.adds_up else f"**{self.found.numbers.total()} do not add up.**"
        rows = [(text, self.counts[name]) for name, text in WHAT_IS_COUNTED.items()]
        parts = [f"# Reconciliation of {self.window}", verdict, markdown_table(["what", "number"], rows)]
        if self.found:
            kinds = self.found.numbers.items()
            parts += ["## What does not add up", markdown_table(["kind", "number"], kinds), self._list()]
        return "\n\n".join(parts)

    def _list(self) -> str:
        rows = [(it.kind, str(it.request_id or ""), it.batch_name, it.detail) for it in self.found.listed]
        return markdown_table(["kind", "request", "batch", "detail"], rows)


async def reconcile(
    connection: AsyncConnection[DictRow], thunderhead: Thunderhead, window: Window, settings: Settings
) -> Reconciliation:
    """Reconcile the window; nothing is changed.

    Raises Unavailable if Thunderhead is paused or does not answer.
    """
    if why_not := (await health_of(connection, System.THUNDERHEAD)).why_not:
        raise Unavailable(why_not)
    counts, found = Counter[str](), Discrepancies()

    async def tally(name: str, piece: Window) -> None:
        (row,) = await database.rows(connection, name, **piece.values())
        counts.update(row)

    async def look_for(name: str, piece: Window) -> None:
        rows = await database.rows(connection, name, limit=MOST_A_STATEMENT, **piece.values())
        found.add(Discrepancy(Kind(it["kind"]), it["request_id"], None, it["detail"]) for it in rows)

    for name in ("tally_requests", "tally_events", "tally_runs"):
        await window.each_piece(partial(tally, name))
    for name in ("requests_that_do_not_add_up", "events_that_do_not_add_up", "runs_that_do_not_add_up"):
        await window.each_piece(partial(look_for, name))
    comparison = Comparison(connection, thunderhead, settings)
    await comparison.compare(window)
    found.merge(comparison.found)
    return Reconciliation(window, counts + comparison.counts, found)


async def days_to_make_up_for(connection: AsyncConnection[DictRow], before: date, settings: Settings) -> list[date]:
    """UTC days before ``before`` that are not reconciled yet, the oldest first, ``MOST_DAYS_MADE_UP_FOR`` at most.

    Days whose final events may be deleted already are left out.
    """
    not_before = datetime.now(UTC).date() - timedelta(days=settings.event_retention_days - 1)
    missed = await database.rows(
        connection, "days_not_reconciled", before=before, not_before=not_before, limit=MOST_DAYS_MADE_UP_FOR
    )
    return [row["day"] for row in missed]


async def store(connection: AsyncConnection[DictRow], done: Reconciliation, *, dag_run_id: str) -> None:
    """Store the report; it replaces an earlier one of the same window.

    The counts also have the complete number of each kind of discrepancy.
    """
    await database.execute(
        connection,
        "store_reconciliation",
        dag_run_id=dag_run_id,
        adds_up=done.adds_up,
        counts=Jsonb({**{name: done.counts[name] for name in WHAT_IS_COUNTED}, **done.found.numbers}),
        discrepancies=Jsonb([asdict(it) for it in done.found.listed]),
        report=done.report(),
        **done.window.values(),
    )
