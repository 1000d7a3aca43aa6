"""The hooks against real sockets, with the Connections that a data engineer writes."""

from __future__ import annotations

import ast
import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import aiohttp
import psycopg
import pytest
from airflow.providers.postgres.hooks.postgres import PostgresHook
from psycopg.conninfo import conninfo_to_dict

from include.jobs.hooks import FinalEventsHook, OmsDatabaseHook, ThunderheadHook, oms_database_url_async
from include.jobs.testing import Airflow
from include.oms.base.settings import Settings
from include.oms.outside.breaker import FAILURES_THAT_OPEN, System
from include.oms.outside.thunderhead import Thunderhead
from include.oms.outside.transport import Transport
from include.oms.testing.outside import OpenDoor, served
from include.oms.testing.system import Oms
from include.oms.words.errors import OutcomeUnknown, Unavailable

ROOT = Path(__file__).resolve().parents[3]
SETTINGS = Settings(submit_timeout_seconds=0.5, poll_timeout_seconds=0.5, concurrency=4)
BOUNDS: dict[str, Any] = {"timeout_seconds": 30, "max_bytes": 1000}
HASTY = BOUNDS | {"timeout_seconds": 0.5}


def answer(status: str, body: str = '{"title": "t"}', *headers: str) -> bytes:
    """An HTTP answer, byte by byte."""
    lines = (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}" if body else "X-None: 0", *headers)
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


@dataclass
class Socket:
    """A server that keeps each request as it came, answers all with the same bytes, then cuts or drips."""

    says: bytes = answer("200 OK")
    then: str = "goes on"
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = [int(it[15:]) for it in head.lower().split(b"\r\n") if it.startswith(b"content-length:")]
                self.requests.append(head + await reader.readexactly(sum(length)))
                writer.write(self.says)
                await writer.drain()
                if self.then == "cuts":
                    return
                while self.then == "drips" and not writer.is_closing():
                    writer.write(b" ")
                    await writer.drain()
                    await asyncio.sleep(0.01)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def listening(**how: Any) -> AsyncIterator[Socket]:
    it = Socket(**how)
    async with await asyncio.start_server(it.serve, "127.0.0.1", 0) as server:
        it.url = "http://{}:{}".format(*server.sockets[0].getsockname())
        yield it


Connect = Callable[..., None]


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    """A Connection as a data engineer writes it."""

    def connect(conn_id: str, **connection: Any) -> None:
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))

    return connect


@asynccontextmanager
async def thunderhead(connect: Connect, url: str, **more: Any) -> AsyncIterator[Transport]:
    connect("thunderhead_api", conn_type="http", host=url, **more)
    async with ThunderheadHook().transport(SETTINGS) as call:
        yield call


@pytest.mark.parametrize("status", ["500 No", "502 No", "503 No", "504 No", "429 No", "302 Found"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_status_body_and_retry_after_survive_and_nothing_is_sent_again(
    connect: Connect, method: str, status: str
) -> None:
    says = answer(status, '{"title": "busy"}', "Retry-After: 7", "Location: /elsewhere")
    async with listening(says=says) as it, thunderhead(connect, it.url) as call:
        got = await call(method, "/v1/batches", **BOUNDS)
    assert (got.status, got.content, got.retry_after) == (int(status[:3]), {"title": "busy"}, 7.0)
    assert len(it.requests) == 1


@pytest.mark.parametrize(
    ("says", "then", "error"),
    [
        (b"", "cuts", aiohttp.ClientError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", "cuts", aiohttp.ClientError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{", "drips", TimeoutError),
        (b"HTTP/1.1 200 OK\r\nX: ", "drips", TimeoutError),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "goes on", aiohttp.ClientError),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", "goes on", aiohttp.ClientError),
    ],
    ids=["cut at once", "cut in the body", "body drips", "head drips", "no HTTP", "no gzip"],
)
async def test_what_may_have_arrived_is_said_and_not_sent_again(
    connect: Connect, says: bytes, then: str, error: type[Exception]
) -> None:
    async with listening(says=says, then=then) as it, thunderhead(connect, it.url) as call:
        with pytest.raises(error):
            await call("POST", "/v1/batches", json={"batchName": "n"}, **(HASTY if error is TimeoutError else BOUNDS))
        with pytest.raises(OutcomeUnknown):
            await Thunderhead(OpenDoor(System.THUNDERHEAD, call, SETTINGS), SETTINGS).submit(
                batch_name="n", batch_config_id="1", xml="<a/>"
            )
    assert len(it.requests) == 2


async def test_a_submit_is_json_and_a_look_up_has_a_query_both_over_one_pool(connect: Connect) -> None:
    async with listening() as it, thunderhead(connect, it.url + "/", password="sesame") as call:
        for _ in range(3):
            await call("POST", "/v1/batches", json={"batchName": "Grüße"}, **BOUNDS)
            await call("GET", "/v1/batches", params={"batchName": "a+b c"}, **BOUNDS)
    assert (len(it.requests), it.connections) == (6, 1)
    submit, look_up = it.requests[:2]
    assert submit.startswith(b"POST /v1/batches HTTP/1.1")
    assert b"Content-Type: application/json" in submit
    assert submit.endswith('{"batchName":"Grüße"}'.encode())
    assert look_up.startswith(b"GET /v1/batches?batchName=a%2Bb+c HTTP/1.1")
    assert all(b"Authorization: Bearer sesame\r\n" in request for request in it.requests)


async def test_a_long_answer_is_not_read_to_its_end(connect: Connect) -> None:
    async with listening(says=answer("200 OK", "[" + "1," * 600 + "1]")) as it, thunderhead(connect, it.url) as call:
        got = await call("GET", "/v1/batches", **BOUNDS)
    assert (got.status, got.content, got.body) == (200, None, None)


async def test_nobody_listening_surely_never_arrived(connect: Connect) -> None:
    async with listening() as it:
        url = it.url
    async with thunderhead(connect, url) as call:
        with pytest.raises(Unavailable):
            await call("POST", "/v1/batches", **BOUNDS)


async def test_calls_in_flight_are_as_many_as_the_setting_says(connect: Connect) -> None:
    says = answer("200 OK", "", "Content-Length: 999")
    async with listening(says=says, then="drips") as it, thunderhead(connect, it.url) as call:
        calls = [asyncio.create_task(call("GET", "/", **BOUNDS)) for _ in range(9)]
        async with asyncio.timeout(20):
            while it.connections < SETTINGS.concurrency:  # noqa: ASYNC110 - the server counts
                await asyncio.sleep(0.01)
        with pytest.raises(TimeoutError):
            await call("GET", "/", **HASTY)
        assert it.connections == SETTINGS.concurrency
        for each in calls:
            each.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


@pytest.mark.parametrize(
    ("connection", "header"),
    [
        ({"password": "token\n"}, b"Authorization: Bearer token\r\n"),
        ({"password": "token\r\n"}, b"Authorization: Bearer token\r\n"),
        ({"password": "tük"}, "Authorization: Bearer tük\r\n".encode()),
        ({"login": "u", "password": "p\n"}, b"Authorization: Basic dTpw\r\n"),
        ({"login": "u", "password": "ł"}, b"Authorization: Basic dTrFgg==\r\n"),
        ({"extra": {"X-Tenant": 5}}, b"X-Tenant: 5\r\n"),
        ({"extra": {"X-Key": "key\n"}}, b"X-Key: key\r\n"),
        ({"extra": {"timeout": 3600, "allow_redirects": True, "check_response": True}}, b"POST /v1/batches"),
    ],
    ids=str,
)
async def test_a_connection_that_can_be_meant_in_one_way_works(
    connect: Connect, connection: dict[str, Any], header: bytes
) -> None:
    async with listening(says=answer("503 No")) as it, thunderhead(connect, it.url, **connection) as call:
        assert (await call("POST", "/v1/batches", **BOUNDS)).status == 503
    assert header in it.requests[0]


@pytest.mark.parametrize(
    "connection",
    [
        {"password": "to\nken"},
        {"login": "a:b", "password": "p"},
        {"extra": {"srv_lookup": True}},
        {"extra": {"X-Tenant": "a\r\nb"}},
        {"extra": {"X Tenant": "a"}},
        {"extra": {"proxies": {"http": "http://127.0.0.1:1"}}},
        {"host": "http://[oops/"},
    ],
    ids=str,
)
async def test_a_connection_that_makes_no_request_is_an_outage_with_its_reason(
    connect: Connect, connection: dict[str, Any]
) -> None:
    async with listening() as it, thunderhead(connect, **{"url": it.url} | _host(connection)) as call:
        with pytest.raises(Unavailable) as error:
            await call("POST", "/v1/batches", **BOUNDS)
    assert not it.requests
    assert "ken" not in str(error.value)


def _host(connection: dict[str, Any]) -> dict[str, Any]:
    return {"url": connection["host"]} if "host" in connection else connection


@pytest.mark.parametrize("connection", [{"password": "to\nken"}, {"password": "tok", "extra": {"X-Tenant": "a\r\nb"}}])
async def test_no_request_fails_for_such_a_connection_and_the_dial_says_why(
    oms: Oms, airflow_runs: Airflow, connection: dict[str, Any]
) -> None:
    ids = await oms.queued(2 * FAILURES_THAT_OPEN)
    airflow_runs.connect_database(oms.url)
    airflow_runs.connect("thunderhead_api", conn_type="http", host=oms.thunderhead_url, **connection)
    async with served(oms.reference_data.app()) as url:
        airflow_runs.connect("reference_data_api", conn_type="http", host=url)
        run = await airflow_runs.run("document_processing", slice_seconds=0)
    assert run.state == "success", run.log
    assert {(await oms.request(it))["status"] for it in ids} == {"QUEUED"}
    (dial,) = await oms.rows("SELECT * FROM outside_systems WHERE system = 'THUNDERHEAD' AND document_type = '*'")
    assert "thunderhead_api" in dial["last_error"]
    assert dial["open_until"] is not None


async def test_a_line_end_after_the_address_is_cut(connect: Connect) -> None:
    async with listening() as it, thunderhead(connect, f"{it.url}\n") as call:
        assert (await call("GET", "/v1/batches", **BOUNDS)).status == 200


async def test_no_proxy_of_the_environment_is_used(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with listening() as it, thunderhead(connect, it.url) as call:
        assert (await call("GET", "/v1/batches", **BOUNDS)).status == 200


async def test_the_database_is_reached_with_every_extra_of_the_providers_hook(connect: Connect) -> None:
    extra = {
        "sslmode": "verify-full", "sslrootcert": "/ca.pem", "sslcert": "/c.pem", "sslkey": "/k.pem",
        "options": "-c search_path=oms", "keepalives_idle": 30, "target_session_attrs": "read-write",
        "channel_binding": "require", "cursor": "dictcursor",
    }  # fmt: skip
    connect("oms_db", conn_type="postgres", host="db", port=5433, schema="oms", login="o", password="p\n", extra=extra)
    with (
        patch("psycopg.connection.Connection.connect") as connected,
        patch("airflow.providers.postgres.hooks.postgres.register_default_adapters"),
    ):
        PostgresHook("oms_db").get_conn()
    expected = connected.call_args.kwargs | {"password": "p"}
    del expected["row_factory"]
    assert conninfo_to_dict(OmsDatabaseHook().conninfo()) == {name: str(value) for name, value in expected.items()}
    assert await oms_database_url_async() == OmsDatabaseHook().conninfo()


def test_the_database_is_reached_with_a_token(connect: Connect) -> None:
    connect("oms_db", conn_type="postgres", host="db", schema="oms", login="o", extra={"iam": True})
    with patch.object(PostgresHook, "get_iam_token", return_value=("o", "short-lived", 5432)):
        found = conninfo_to_dict(OmsDatabaseHook().conninfo())
    assert (found["user"], found["password"], found["port"]) == ("o", "short-lived", "5432")


def test_the_database_answers(connect: Connect, oms_database_url: str) -> None:
    said = conninfo_to_dict(oms_database_url)
    connect(
        "oms_db", conn_type="postgres", host=said.get("host"), port=said.get("port"), login=said.get("user"),
        password=said.get("password"), schema=said["dbname"], extra={"sslmode": "prefer", "keepalives": 1},
    )  # fmt: skip
    with psycopg.connect(OmsDatabaseHook().conninfo()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_the_producer_is_idempotent_whatever_the_connection_says(connect: Connect) -> None:
    extra = {"bootstrap.servers": "127.0.0.1:1", "acks": "0", "client.id": "oms\n", "log_level": 0}
    connect("kafka_default", conn_type="kafka", extra=extra)
    with patch("airflow.providers.apache.kafka.hooks.produce.Producer") as made:
        FinalEventsHook().get_producer()
    (config,) = made.call_args.args
    assert config == extra | {
        "client.id": "oms", "acks": "all", "enable.idempotence": True, "delivery.timeout.ms": 8000,
        "allow.auto.create.topics": False, "topic.metadata.propagation.max.ms": 1000,
    }  # fmt: skip


CLIENTS = {"ClientSession", "AsyncClient", "Client", "Producer", "Consumer", "AdminClient", "Session", "urlopen"}
WIRING = sorted([*(ROOT / "include/jobs").glob("*.py"), *(ROOT / "dags").glob("*.py")])
DATABASE = (  # the latter two are pools of the first one's connections
    "include/oms/base/database.py", "include/oms/intake/database.py", "include/services/reference_data/database.py",
)  # fmt: skip
POOLS = {"ConnectionPool", "AsyncConnectionPool", "create_engine"}
CALLERS = sorted(
    file.relative_to(ROOT).as_posix()
    for folder in ("dags", "include/jobs", "include/oms", "include/services", "oms_intake", "plugins")
    for file in (ROOT / folder).rglob("*.py")
    if "include/oms/testing" not in file.as_posix()
)


@pytest.mark.parametrize("file", WIRING, ids=lambda file: file.stem)
def test_no_client_is_made_outside_the_hooks_and_no_private_part_is_used(file: Path) -> None:
    tree = ast.parse(file.read_text("utf-8"))
    called = {node.func for node in ast.walk(tree) if isinstance(node, ast.Call)}
    names = {getattr(func, "attr", getattr(func, "id", "")) for func in called}
    if file.stem != "hooks":
        assert not names & CLIENTS
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    defined |= {
        node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr.startswith("_")}
    assert used <= defined | {"__name__"}


@pytest.mark.parametrize("file", CALLERS)
def test_the_oms_database_is_connected_to_in_one_place(file: str) -> None:
    """`include.oms.base.database` bounds every wait; a connection that is made elsewhere would not be bounded."""
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    drivers = {"psycopg", *POOLS}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in ("psycopg", "psycopg_pool"):
            drivers |= {it.asname or it.name for it in node.names}
        elif isinstance(node, ast.ClassDef) and {ast.unparse(base).partition("[")[0] for base in node.bases} & drivers:
            drivers.add(node.name)
    called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    made = {it for it in called if it in POOLS or it in {f"{driver}.connect" for driver in drivers}}
    assert not made or file in DATABASE
