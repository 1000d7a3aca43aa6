"""The limit of a drain: a bare asyncio script that does only the same HTTP calls and row writes, written in bulk.

No claims, no leases, no breaker, no look-up after a lost answer, nothing published; one process, which ends
when every queued request is COMPLETED. Reads its order from standard input as JSON, writes to standard output when
each request ended, in seconds since it began, and what that cost.
"""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

import aiohttp
import psycopg
import uvloop
from psycopg.rows import DictRow, dict_row

from include.oms.base.chunks import chunks
from include.oms.base.queries import load
from include.oms.outside.thunderhead import MOST_IDS_A_CALL
from include.oms.processing.xml_document import document_xml

_SQL = load(__package__)
CALL_SECONDS = 30
COLLECT_EVERY = 50_000  # objects, as the jobs do
WRITE_SECONDS = 0.1  # between two writes, as the jobs do


@dataclass(frozen=True)
class BareOrder:
    """Addresses, and the number of submits in flight."""

    database_url: str
    reference_data_url: str
    thunderhead_url: str
    thunderhead_token: str
    in_flight: int
    first_poll_seconds: float


@dataclass(frozen=True)
class BareDrain:
    """The result: seconds to each end, and CPU seconds without the start."""

    seconds: list[float]
    cpu_seconds: float


def drain_barely(order: BareOrder, patience_seconds: float) -> BareDrain:
    """Run it as a separate process. Raises subprocess.SubprocessError."""
    ended = subprocess.run(
        [sys.executable, "-m", "include.local.bench.bare"],
        input=json.dumps(asdict(order)), capture_output=True, text=True, check=True, timeout=patience_seconds,
    )  # fmt: skip
    return BareDrain(**json.loads(ended.stdout))


class _Bare:
    def __init__(self, order: BareOrder, http: aiohttp.ClientSession, db: psycopg.AsyncConnection[DictRow]) -> None:
        self._order, self._http, self._db = order, http, db
        self._headers = {"Authorization": f"Bearer {order.thunderhead_token}"}
        self._writing = asyncio.Lock()
        self._known: dict[tuple[str, str], dict[str, str]] = {}
        self._submitted: list[tuple[int, int]] = []  # request, batch; not yet written
        self._open: dict[int, tuple[int, float]] = {}  # batch: request, when it was submitted
        self._began = time.monotonic()
        self.ends: list[float] = []

    async def drain(self) -> None:
        rows = await (await self._db.execute(_SQL["bare_queued"])).fetchall()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._submit_all(rows))
            group.create_task(self._poll_until(len(rows)))

    async def _submit_all(self, rows: list[DictRow]) -> None:
        places = asyncio.Semaphore(self._order.in_flight)
        async with asyncio.TaskGroup() as group:
            for chunk in chunks(rows, MOST_IDS_A_CALL):
                documents = [(row["request_id"], *await self._document(row)) for row in chunk]
                ids, configs, xmls = (list(column) for column in zip(*documents, strict=True))
                await self._write("bare_intents", request_ids=ids, config_ids=configs, xmls=xmls)
                for request_id, config_id, xml in documents:
                    await places.acquire()
                    task = group.create_task(self._submit(request_id, config_id, xml))
                    task.add_done_callback(lambda _: places.release())

    async def _document(self, row: DictRow) -> tuple[str, str]:
        """The document's configuration id and XML."""
        metadata: dict[str, str] = row["metadata"] or {}
        key = row["document_name"], metadata.get("FOOTER_ID", "0")
        if key not in self._known:
            url = f"{self._order.reference_data_url}/v1/document-configurations/search"
            async with self._http.get(url, params={"documentName": key[0], "footerId": key[1]}) as answer:
                self._known[key] = {it["code"]: it["value"] for it in await answer.json()}
        configuration = self._known[key]
        attributes = {name: row[f"document_{name}"] for name in ("type", "name", "language")}
        xml = document_xml(
            attributes=attributes, metadata=metadata, configuration=configuration, content=row["content"]
        )
        return configuration["BATCH_CONFIG_ID"], xml

    async def _submit(self, request_id: int, config_id: str, xml: str) -> None:
        batch = {"batchName": f"BARE-{request_id}-1", "batchConfigId": config_id, "payload": xml}
        url = f"{self._order.thunderhead_url}/v1/batches"
        async with self._http.post(url, json=batch, headers=self._headers, raise_for_status=True) as answer:
            self._submitted.append((request_id, (await answer.json())["batchId"]))

    async def _poll_until(self, wanted: int) -> None:
        while len(self.ends) < wanted:
            await asyncio.sleep(WRITE_SECONDS)
            await self._write_submitted()
            before = time.monotonic() - self._order.first_poll_seconds
            due = [batch for batch, (_, since) in self._open.items() if since < before]
            for ids in chunks(due, MOST_IDS_A_CALL):
                await self._poll(ids)

    async def _write_submitted(self) -> None:
        submitted, self._submitted = self._submitted, []
        if submitted:
            ids, batches = (list(column) for column in zip(*submitted, strict=True))
            await self._write("bare_submitted", request_ids=ids, batch_ids=batches)
            self._open |= {batch: (request_id, time.monotonic()) for request_id, batch in submitted}

    async def _poll(self, ids: Any) -> None:
        url = f"{self._order.thunderhead_url}/v1/batches"
        params = {"batchIds": ",".join(map(str, ids))}
        async with self._http.get(url, params=params, headers=self._headers, raise_for_status=True) as answer:
            found = (await answer.json())["batches"]
        done = [(self._open.pop(it["batchId"])[0], it["dmsDocumentId"]) for it in found if it["status"] == "COMPLETED"]
        if done:
            requests, documents = (list(column) for column in zip(*done, strict=True))
            await self._write("bare_ended", request_ids=requests, document_ids=documents)
            self.ends += [time.monotonic() - self._began] * len(done)

    async def _write(self, name: str, **values: Any) -> None:
        async with self._writing:
            await self._db.execute(_SQL[name], values)


async def work(order: BareOrder) -> BareDrain:
    """Drain the queue."""
    connector = aiohttp.TCPConnector(limit=order.in_flight + 1)
    timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
    database = psycopg.AsyncConnection[DictRow].connect(order.database_url, autocommit=True, row_factory=dict_row)
    no_cookies = aiohttp.DummyCookieJar()
    async with (
        aiohttp.ClientSession(connector=connector, timeout=timeout, cookie_jar=no_cookies) as http,
        await database as connection,
    ):
        bare, cpu_before = _Bare(order, http, connection), time.process_time()
        await bare.drain()
        return BareDrain(bare.ends, time.process_time() - cpu_before)


if __name__ == "__main__":
    gc.set_threshold(COLLECT_EVERY)
    print(json.dumps(asdict(uvloop.run(work(BareOrder(**json.load(sys.stdin)))))))
