"""The report at the end of the demo."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import quantiles

from rich.table import Table

from include.local.demo.events import Event
from include.local.demo.intake_client import Accepted

EXAMPLES = 5


def p50_p95(seconds: Sequence[float]) -> tuple[float, float]:
    """Median and 95th percentile of one or more values."""
    if len(seconds) == 1:
        return seconds[0], seconds[0]
    cuts = quantiles(seconds, n=20, method="inclusive")
    return cuts[9], cuts[18]


def latencies(accepted: Sequence[Accepted], events: Sequence[Event]) -> dict[int, float]:
    """Seconds from accepted to final event, by request."""
    accepted_at = {it.request_id: it.at for it in accepted}
    return {event.request_id: event.at - accepted_at[event.request_id] for event in events}


def table(events: Sequence[Event], seconds: Mapping[int, float]) -> Table:
    """By document and status: how many, and how long they took."""
    groups: dict[tuple[str, str], list[float]] = defaultdict(list)
    for event in events:
        data = event.event["data"]
        groups[data["document_name"], data["status"]].append(seconds[event.request_id])
    shown = Table("Document", "Status", title="From accepted to final event")
    for column in ("Requests", "p50", "p95"):
        shown.add_column(column, justify="right")
    for (document, status), values in sorted(groups.items()):
        shown.add_row(document, status, str(len(values)), *(f"{value:.1f} s" for value in p50_p95(values)))
    shown.add_section()
    p50, p95 = p50_p95(list(seconds.values()))
    shown.add_row("all", "", str(len(seconds)), f"{p50:.1f} s", f"{p95:.1f} s")
    return shown


def failures(events: Sequence[Event]) -> list[str]:
    """Why requests did not end COMPLETED, or not at the first attempt: a line a reason, with some of the ids."""
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for event in events:
        data = event.event["data"]
        if data["status"] != "COMPLETED":
            last = data["errors"][-1] if data["errors"] else None
            why = f"{last['stage']} {last['category']}: {last['description']}" if last else "no error was recorded"
            groups[data["status"], why].append(data["request_id"])
        elif data["attempts"] > 1:
            groups["COMPLETED", f"after {data['attempts']} attempts"].append(data["request_id"])
    return [f"{len(ids)} {status} - {why} (requests {_some(ids)})" for (status, why), ids in sorted(groups.items())]


def _some(ids: list[int]) -> str:
    return ", ".join(map(str, sorted(ids)[:EXAMPLES])) + (" …" if len(ids) > EXAMPLES else "")
