"""The jobs on a real OMS Database, with Thunderhead and reference data scripted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from psycopg import AsyncConnection
from psycopg.rows import DictRow

from include.oms.base import database
from include.oms.base.settings import Settings
from include.oms.monitoring.worker import poll_slice
from include.oms.outside.breaker import System
from include.oms.outside.door import Door
from include.oms.outside.reference_data import ReferenceData
from include.oms.outside.thunderhead import Thunderhead
from include.oms.outside.transport import Transport, http_transport
from include.oms.processing.worker import process_slice
from include.oms.slices.claim import claim_slices
from include.oms.slices.hold import Hold, open_slice
from include.oms.slices.report import SliceReport
from include.oms.slices.slice_time import SliceTime
from include.oms.testing.outside import FakeReferenceData, FakeThunderhead, served
from include.oms.words.model import Job

QUICK: dict[str, Any] = {
    "settling_seconds": 0.4,
    "submit_timeout_seconds": 0.3,
    "poll_timeout_seconds": 0.6,  # a busy machine stops for a moment
    "lease_seconds": 4.0,
    "statement_timeout_seconds": 3.0,
    "backoff_base_seconds": 0.01,
    "first_poll_seconds": 0.001,
    "slice_size": 10,
    "max_slices": 5,
    "slice_seconds": 0,  # a worker claims no more work than its slice was cut with
}

OWN_STATEMENT_SECONDS = 120.0  # longest wait for a statement of the test itself, which may make many rows


@dataclass
class Oms:
    """The system under test: queue requests, run jobs, read rows."""

    connection: AsyncConnection[DictRow]
    url: str
    thunderhead: FakeThunderhead
    reference_data: FakeReferenceData
    thunderhead_client: Thunderhead
    reference_data_client: ReferenceData
    settings: Settings
    thunderhead_url: str = ""
    runs: int = field(default=0)

    async def queued(self, n: int = 1, **columns: Any) -> list[int]:
        """Make ``n`` requests as the intake stores them. Return their ids."""
        row = {
            "source_system": "CIBT", "document_type": "INVOICE", "document_name": "IVZRECPA",
            "document_language": "EN", "source_environment": "DEV", "client_subject": "test", "content_hash": b"",
        } | columns  # fmt: skip
        names = ", ".join(row)
        values = ", ".join(f"%({name})s" for name in row)
        ids = []
        for _ in range(n):
            cursor = await self.connection.execute(
                f"""WITH request AS (
                        INSERT INTO document_requests ({names}, request_correlation_id)
                        VALUES ({values}, %(correlation)s) RETURNING request_id),
                    payload AS (INSERT INTO request_payloads SELECT request_id, '{{"a": 1}}' FROM request)
                    SELECT request_id FROM request""",  # noqa: S608
                {**row, "correlation": uuid4().hex},
            )
            ids.append((await cursor.fetchall())[0]["request_id"])
        return ids

    async def claim(self, job: Job) -> list[int]:
        """Claim for one run. Return the ids of its slices."""
        self.runs += 1
        claimed = await claim_slices(self.connection, job, f"run-{self.runs}", self.settings)
        return [reference["slice_id"] for reference in claimed.slices]

    async def hold(self, slice_id: int) -> Hold:
        """Open a slice without working it, like a worker that dies or loses its lease."""
        opened = await open_slice(self.connection, slice_id, generation=0, map_index=0)
        return Hold(self.connection, opened.lease, self.settings, SliceTime(self.settings, takes_more=False))

    async def process(self, slice_id: int, generation: int = 0) -> SliceReport:
        """Work a processing slice, as its mapped task does."""
        self.begin_a_task()
        return await process_slice(
            self.connection, slice_id, generation=generation, map_index=0, thunderhead=self.thunderhead_client,
            reference_data=self.reference_data_client, settings=self.settings,
        )  # fmt: skip

    async def poll(self, slice_id: int, generation: int = 0) -> SliceReport:
        """Work a monitoring slice, as its mapped task does."""
        self.begin_a_task()
        return await poll_slice(
            self.connection, slice_id, generation=generation, map_index=0, thunderhead=self.thunderhead_client,
            settings=self.settings,
        )  # fmt: skip

    def begin_a_task(self) -> None:
        """Start as a new task does: with new doors, and without cached configuration."""
        for client in (self.thunderhead_client, self.reference_data_client):
            old = client.door
            client.door = Door(old.system, old._transport, old._connection, self.settings)
        self.reference_data_client._known.clear()

    @asynccontextmanager
    async def another_worker(self) -> AsyncIterator[Oms]:
        """The same system, for a worker that works at the same time."""
        transports = self.thunderhead_client.door._transport, self.reference_data_client.door._transport
        async with _worker(self.url, self.settings, *transports) as (connection, thunderhead, reference_data):
            yield replace(
                self, connection=connection, thunderhead_client=thunderhead, reference_data_client=reference_data
            )

    async def run_processing(self) -> list[SliceReport]:
        """One run of document_processing."""
        return [await self.process(slice_id) for slice_id in await self.claim(Job.PROCESSING)]

    async def run_monitoring(self) -> list[SliceReport]:
        """One run of document_monitoring."""
        return [await self.poll(slice_id) for slice_id in await self.claim(Job.MONITORING)]

    async def due_now(self) -> None:
        """Make everything that waits due: back-offs, polls, look-ups of unsure submits, and open breakers."""
        await self.connection.execute(
            "UPDATE document_requests SET due_at = now() - interval '1 s' WHERE status = 'QUEUED'"
        )
        await self.connection.execute(
            "UPDATE thunderhead_batches SET next_poll_at = least(next_poll_at, now()),"
            " unsure_since = unsure_since - interval '1 h'"
        )
        await self.connection.execute("UPDATE outside_systems SET open_until = NULL")

    async def workers_die(self) -> None:
        """Make every lease run out."""
        await self.connection.execute("UPDATE document_requests SET lease_until = now() WHERE lease_until IS NOT NULL")
        await self.connection.execute(
            "UPDATE thunderhead_batches SET lease_until = now() WHERE lease_until IS NOT NULL"
        )
        await self.connection.execute("UPDATE slices SET lease_until = now() WHERE lease_until IS NOT NULL")

    async def rows(self, sql: str, *values: Any) -> list[DictRow]:
        """The rows of a query."""
        return await (await self.connection.execute(sql, values)).fetchall()

    async def request(self, request_id: int) -> DictRow:
        """One request's row."""
        (row,) = await self.rows("SELECT * FROM document_requests WHERE request_id = %s", request_id)
        return row

    async def events(self) -> list[DictRow]:
        """The outbox, in the order of the ends."""
        return await self.rows("SELECT * FROM final_events ORDER BY event_seq")

    async def timeline(self, request_id: int) -> list[str]:
        """The events in a request's timeline, oldest first."""
        found = await self.rows(
            "SELECT event FROM request_timeline WHERE request_id = %s ORDER BY entry_id", request_id
        )
        return [row["event"] for row in found]


@asynccontextmanager
async def running(
    url: str, settings: Settings, *, thunderhead_url: str = "", headers: Mapping[str, str] | None = None
) -> AsyncIterator[Oms]:
    """A system on this database. ``thunderhead_url``: another Thunderhead than the fake, called with ``headers``."""
    thunderhead, reference_data = FakeThunderhead(), FakeReferenceData()
    async with (
        served(thunderhead.app()) as fake_url,
        served(reference_data.app()) as reference_data_url,
        aiohttp.ClientSession(headers=headers) as session,
        _worker(
            url,
            settings,
            http_transport(session, thunderhead_url or fake_url),
            http_transport(session, reference_data_url),
        ) as (connection, thunderhead_client, reference_data_client),
    ):
        yield Oms(
            connection, url, thunderhead, reference_data, thunderhead_client, reference_data_client, settings,
            thunderhead_url or fake_url,
        )  # fmt: skip


@asynccontextmanager
async def _worker(
    url: str, settings: Settings, thunderhead: Transport, reference_data: Transport
) -> AsyncIterator[tuple[AsyncConnection[DictRow], Thunderhead, ReferenceData]]:
    """What a worker has: a connection of its own, and doors with a connection each."""
    async with (
        await database.connect(url, settings, application_name="test") as connection,
        await database.connect(url, settings, application_name="test door") as first,
        await database.connect(url, settings, application_name="test door") as second,
    ):
        connection.answer_seconds = OWN_STATEMENT_SECONDS
        yield (
            connection,
            Thunderhead(Door(System.THUNDERHEAD, thunderhead, first, settings), settings),
            ReferenceData(Door(System.REFERENCE_DATA, reference_data, second, settings), settings),
        )


@pytest.fixture
async def oms(oms_database_url: str) -> AsyncIterator[Oms]:
    """A fresh system with nothing in it."""
    async with running(oms_database_url, Settings(database_url=oms_database_url, **QUICK)) as system:
        yield system
