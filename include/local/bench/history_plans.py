"""var/bench/query-plans.md: the plans of the history bench's statements, as auto_explain logs them."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from psycopg.errors import Diagnostic

from include.local.bench.history_probes import PROBES, Connections, Probe

EXPLAIN = (
    "LOAD 'auto_explain'",
    "SET auto_explain.log_min_duration = 0",
    "SET auto_explain.log_analyze = on",
    "SET auto_explain.log_buffers = on",
    "SET auto_explain.log_timing = off",
    "SET auto_explain.log_level = notice",
)
HEAD = """# Query plans

`make bench ARGS="--only history"` writes this page: the plans of the statements that it measures. The database has
{size:,} finished requests, 500 due ones, 500 at Thunderhead, and 100 waiting events. A plan that uses an index of open
rows does not slow down with the history. A `Seq Scan` of a table that grows does.
"""
STATEMENT = re.compile(r"[\s\S]*?\n(?=\S[^\n]*\(cost=)")  # comes before its plan


def write_plans(url: str, size: int, file: Path) -> None:
    """Run every probe once more, and write the plans that PostgreSQL logs for its statements."""
    file.write_text("\n".join([HEAD.format(size=size), *asyncio.run(_sections(url))]), encoding="utf-8")


async def _sections(url: str) -> list[str]:
    connections = await Connections.open(url)
    for probe in PROBES:
        await probe.seconds(connections)  # the pages are read, the catalogue is known
    for statement in EXPLAIN:
        await connections.jobs.execute(statement)
        connections.intake.execute(statement)
    sections = [f"## {probe.what}\n\n{await _plans(probe, connections)}" for probe in PROBES]
    await connections.close()
    return sections


async def _plans(probe: Probe, connections: Connections) -> str:
    told: list[str] = []

    def listen(notice: Diagnostic) -> None:
        told.append(STATEMENT.sub("", notice.message_primary or "", count=1).rstrip())

    for connection in (connections.jobs, connections.intake):
        connection.add_notice_handler(listen)
    await probe.seconds(connections, begin=told.clear)
    for connection in (connections.jobs, connections.intake):
        connection.remove_notice_handler(listen)
    return "\n".join(f"```\n{plan}\n```\n" for plan in told if "(cost=" in plan)
