"""The deployment as its compose file has it, without containers: work goes through, and a killed worker loses none."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import httpx
import psutil
import psycopg
import pytest

from include.local.chaos.comparison import compare
from include.local.chaos.orders import Order, parcels
from include.local.chaos.reader import Reader
from include.local.chaos.rows import progress, read_rows
from include.local.environment import client_token
from include.local.settings import LocalSettings
from tests.e2e.topology.collector import Collector
from tests.e2e.topology.image import is_ours
from tests.e2e.topology.jail import possible
from tests.e2e.topology.process import Process
from tests.e2e.topology.topology import Topology

T = TypeVar("T")
REQUESTS = 300
Accepted = dict[tuple[str, str], set[int]]


def test_processes_may_do_what_their_containers_may_and_no_more(topology: Topology) -> None:
    if not possible():
        pytest.skip(
            "processes have the rights of whoever runs the tests: only root may lock them up (Linux, util-linux)"
        )
    ours = [process for name, it in topology.services.items() if is_ours(it) for process in topology.instances(name)]
    for process in (process for process in ours if process.exit_code is None):
        leader = process.members()[0]  # what it starts inherits all of this
        status = Path(f"/proc/{leader.pid}/status").read_text()
        assert leader.uids().real in (50000, 101), process.name
        assert "NoNewPrivs:\t1" in status, process.name
        mounts = [line.split() for line in Path(f"/proc/{leader.pid}/mounts").read_text().splitlines()]
        assert [mount[3].split(",")[0] for mount in mounts if mount[1] == "/"] == ["ro"], process.name


def test_a_killed_worker_loses_nothing_and_doubles_nothing(
    topology: Topology, said: LocalSettings, trust: ssl.SSLContext
) -> None:
    topic = str(topology.services["airflow-worker"]["environment"]["OMS_KAFKA_TOPIC"])
    database = _oms_database(topology)
    with Reader({"bootstrap.servers": f"127.0.0.1:{topology.places.ports['kafka']}"}, topic) as reader:
        orders = _orders(REQUESTS)
        accepted = _hand_in(orders, f"https://localhost:{topology.places.ports['gateway']}", said, trust)
        victim, survivor = _once_one_works(topology)

        victim.kill()

        _wait("all have ended, and are told", lambda: _is_through(database), 600)
        assert survivor.exit_code is None
        reader.catch_up(20)
        verdict = compare(orders, accepted, read_rows(database), _ledger(said), reader.messages)

        assert verdict.sentences() == []
    happened = read_rows(database).happened
    assert happened["COMPLETED"] == REQUESTS
    assert happened["TAKEN_OVER"] > 0, "the worker was killed in the middle of a slice"


def test_a_documents_trace_goes_from_the_call_to_the_submit(topology: Topology, collector: Collector) -> None:
    def shared() -> bool:
        calls = collector.traces["oms-intake", "POST /v1/document-requests"]
        return len(calls & collector.traces["airflow", "submit"]) > REQUESTS / 2  # a killed worker's spans are gone

    _wait("spans of calls and submits in the same traces", shared, 180)


def _orders(count: int) -> list[Order]:
    """Requests that end COMPLETED whatever happens to others."""
    made = (order for parcel in parcels(2 * count, seed=1) for order in parcel.orders)
    return [order for order in made if "sandbox" not in order.request["document_content"]][:count]


def _hand_in(orders: list[Order], url: str, said: LocalSettings, trust: ssl.SSLContext) -> Accepted:
    """Each by a call of its own, over TLS; every tenth twice, as a client does that is not sure."""
    accepted: Accepted = {}
    tokens = {system: client_token(said, system) for system in ("CIBT", "ARCADE")}
    with httpx.Client(base_url=url, verify=trust, trust_env=False, timeout=60) as client:
        for number, order in enumerate(orders):
            for _ in range(2 if number % 10 == 0 else 1):
                headers = {"Authorization": f"Bearer {tokens[order.source_system]}"}
                answer = client.post("/v1/document-requests", json=order.request, headers=headers)
                assert answer.status_code in (200, 202), answer.text
                accepted.setdefault(order.key, set()).add(answer.json()["request_id"])
    return accepted


def _once_one_works(topology: Topology) -> tuple[Process, Process]:
    """The two workers, once one has calls to Thunderhead under way: that one, and the other."""

    def look() -> list[Process] | None:
        port = topology.places.ports["thunderhead"]
        calls = {worker: _calls(worker, port) for worker in topology.instances("airflow-worker")}
        return sorted(calls, key=lambda worker: -calls[worker]) if any(calls.values()) else None

    busier, other = _wait("a worker works", look, 180)
    return busier, other


def _calls(worker: Process, port: int) -> int:
    found = 0
    for process in worker.members():
        with suppress(psutil.Error):
            found += sum(bool(it.raddr) and it.raddr.port == port for it in process.net_connections("tcp"))
    return found


def _is_through(database: str) -> bool:
    now = progress(database)
    return now is not None and now.ended == REQUESTS and not now.events_waiting


def _ledger(said: LocalSettings) -> list[dict[str, object]]:
    """Thunderhead's own: every batch there ever was."""
    headers = {"Authorization": f"Bearer {said.thunderhead_token.get_secret_value()}"}
    url = f"http://127.0.0.1:{said.thunderhead_port}/control/ledger"
    page = httpx.get(url, params={"limit": 10 * REQUESTS}, headers=headers, timeout=60).raise_for_status().json()
    assert page["next"] is None
    found: list[dict[str, object]] = page["batches"]
    return found


def _oms_database(topology: Topology) -> str:
    url = topology.services["oms-migrations"]["environment"]["OMS_DATABASE_URL"]
    found = topology.places.here(url, topology.places.folder)
    psycopg.connect(found).close()
    return found


def _wait(what: str, look: Callable[[], T | None], seconds: float) -> T:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.2)
    raise AssertionError(f"{what}: not within {seconds:.0f} s")
