"""The production server around the app: slow and rude clients, many processes, a good end."""

import json
import os
import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import httpx
import psycopg
import pytest

from tests.integration.intake.conftest import ServedIntake, a_request

PATH = "/v1/document-requests"
Serve = Callable[..., ServedIntake]


@pytest.fixture
def headers(token: Callable[..., str]) -> dict[str, str]:
    return {"Authorization": f"Bearer {token()}"}


def connect(served: ServedIntake) -> socket.socket:
    return socket.create_connection(("127.0.0.1", served.port), timeout=10)


def read_all(client: socket.socket) -> bytes:
    got = b""
    while part := client.recv(65536):
        got += part
    return got


def test_a_hundred_slow_clients_hold_nobody_up(serve: Serve, headers: dict[str, str]) -> None:
    """Each sends a byte now and then, more of them than there are threads; then each is told and cut off."""
    served = serve(intake_head_seconds=3)
    with ExitStack() as stack:
        slow = [stack.enter_context(connect(served)) for _ in range(100)]
        for client in slow:
            client.sendall(b"POST /v1/document-requests HTTP/1.1\r\nHost: x\r\n")
        for number in range(4):
            for client in slow:
                client.sendall(b"X")
            began_at = time.monotonic()
            answer = httpx.post(served.url + PATH, json=a_request(f"R{number}"), headers=headers, trust_env=False)
            assert (answer.status_code, time.monotonic() - began_at < 2) == (202, True)
        assert {read_all(client).split(b"\r\n")[0] for client in slow} == {b"HTTP/1.1 408 Request Timeout"}


def test_headers_that_come_in_pieces_are_taken(serve: Serve) -> None:
    with connect(serve()) as client:
        for piece in (b"GET /heal", b"thz HTTP/1.1\r\nHo", b"st: x\r\nConnection: close\r", b"\n\r", b"\n"):
            client.sendall(piece)
            time.sleep(0.05)  # so that they are pieces
        assert read_all(client).startswith(b"HTTP/1.1 200")


def test_calls_that_come_in_one_piece_are_taken(serve: Serve) -> None:
    with connect(serve()) as client:
        call = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        client.sendall(call + call + call.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert read_all(client).count(b"HTTP/1.1 200") == 3


def test_a_body_that_never_comes_is_not_waited_for_for_ever(serve: Serve, headers: dict[str, str]) -> None:
    served = serve(intake_call_seconds=1)
    with connect(served) as client:
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n"
        client.sendall(f"{head}Authorization: {headers['Authorization']}\r\n\r\n{{".encode())
        began_at = time.monotonic()
        read_all(client)
        assert time.monotonic() - began_at < 8
    assert httpx.get(f"{served.url}/healthz", trust_env=False).status_code == 200


@pytest.mark.parametrize("chunked", [False, True])
def test_a_refusal_reaches_the_client_who_is_still_sending(
    serve: Serve, headers: dict[str, str], chunked: bool
) -> None:
    served = serve()
    body = b"x" * 2_097_152
    for sent_headers, status in ((headers, 413), ({}, 401 if chunked else 413)):
        answer = httpx.post(
            served.url + PATH,
            content=iter([body[:1_000_000], body[1_000_000:]]) if chunked else body,
            headers=sent_headers | {"Content-Type": "application/json"},
            trust_env=False,
        )
        assert answer.status_code == status


@pytest.mark.parametrize(
    "call",
    [
        b"\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: x\r\n" % i for i in range(200)) + b"\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a b\0c\r\n\r\n",
    ],
    ids=lambda call: repr(call[:30]),
)
def test_what_is_no_http_is_refused(serve: Serve, call: bytes) -> None:
    served = serve()
    with connect(served) as client:
        client.sendall(call)
        client.shutdown(socket.SHUT_WR)
        assert read_all(client)[:12] in (b"", b"HTTP/1.1 400", b"HTTP/1.1 414", b"HTTP/1.1 431", b"HTTP/1.1 505")
    assert httpx.get(f"{served.url}/healthz", trust_env=False).status_code == 200


def test_calls_of_all_processes_are_counted(serve: Serve, headers: dict[str, str]) -> None:
    served = serve(intake_workers=2)

    def call(_: int) -> None:
        assert httpx.get(f"{served.url}{PATH}/1", headers=headers, trust_env=False).status_code == 404

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(call, range(100)))
    metrics = httpx.get(f"{served.url}/metrics", trust_env=False).text
    assert 'code="404",method="GET",route="/v1/document-requests/<int:request_id>"} 100.0' in metrics


def test_what_was_accepted_is_finished(
    serve: Serve, headers: dict[str, str], oms_database_url: str, db: psycopg.Connection[Any]
) -> None:
    """SIGTERM while a call waits for a lock: no new connections, and the call is answered."""
    served = serve()
    with psycopg.connect(oms_database_url) as locker, ThreadPoolExecutor(1) as pool:
        locker.execute("LOCK TABLE document_requests IN ACCESS EXCLUSIVE MODE")
        call = pool.submit(httpx.post, served.url + PATH, json=a_request(), headers=headers, trust_env=False)
        while db.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone() == (0,):
            assert not call.done()
        served.process.send_signal(signal.SIGTERM)
        while not any("Handling signal: term" in line["event"] for line in served.lines()):
            time.sleep(0.01)
        locker.commit()
        assert call.result().status_code == 202
    assert served.process.wait(15) == 0


def test_a_process_that_dies_is_replaced(serve: Serve, headers: dict[str, str]) -> None:
    served = serve(intake_workers=2)
    pids = [int(line["event"].split()[-1]) for line in served.lines() if "Booting worker" in line["event"]]
    os.kill(pids[0], signal.SIGKILL)
    until = time.monotonic() + 10
    while sum("Booting worker" in line["event"] for line in served.lines()) < 3:
        assert time.monotonic() < until
        time.sleep(0.05)
    answer = httpx.post(served.url + PATH, json=a_request(), headers=headers, trust_env=False)
    assert answer.status_code == 202
    assert httpx.get(f"{served.url}/metrics", trust_env=False).status_code == 200


def test_a_setting_that_makes_no_sense_stops_the_start(serve: Serve, tmp_path: Any) -> None:
    for changes, named in (
        ({"jwt_public_key_file": None}, "OMS_JWT_JWKS_URL"),
        ({"jwt_public_key_file": tmp_path / "none.pem"}, "none.pem"),
        ({"intake_threads": 0}, "intake_threads"),
    ):
        with pytest.raises(AssertionError, match=named):
            serve(**changes)


def test_every_line_of_the_log_is_json(serve: Serve, headers: dict[str, str]) -> None:
    served = serve()
    httpx.post(served.url + PATH, json=a_request(), headers=headers, trust_env=False)
    served.stop()
    lines = served.lines()
    assert {"call"} < {line["event"] for line in lines}
    assert all({"event", "level", "timestamp"} <= line.keys() for line in lines)
    assert headers["Authorization"].split(".")[2] not in json.dumps(lines)


HEADERS = {
    "Host": "x",
    "Authorization": "Bearer TOKEN",
    "Content-Type": "application/json",
    "Content-Length": "LENGTH",
    "X-Origin-User": "Ada",
    "X-Request-Id": "mine",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "Accept": "application/json",
    "User-Agent": "test",
    "Connection": "close",
}


@pytest.mark.parametrize("times", ["missing", "doubled", "doubled, and different"])
def test_every_header_missing_or_doubled(serve: Serve, headers: dict[str, str], times: str) -> None:
    served = serve(intake_head_seconds=3)
    for number, name in enumerate(HEADERS):
        body = json.dumps(a_request(f"R{number}"))
        token = headers["Authorization"].removeprefix("Bearer ")
        sent = [(one, it.replace("TOKEN", token).replace("LENGTH", str(len(body)))) for one, it in HEADERS.items()]
        if times == "missing":
            sent = [pair for pair in sent if pair[0] != name]
        else:
            value = dict(sent)[name]
            sent.append((name, value if times == "doubled" else f"{value}9"))
        if (times, name) == ("missing", "Content-Length"):
            body = ""
        with connect(served) as client:
            head = "".join(f"{name}: {value}\r\n" for name, value in sent)
            client.sendall(f"POST {PATH} HTTP/1.1\r\n{head}\r\n{body}".encode())
            client.shutdown(socket.SHUT_WR)
            answer = read_all(client)
        assert answer[9:12] in (b"202", b"400", b"401", b"413", b"415", b"422"), (name, answer)
        if (times, name) in {("missing", "Authorization"), ("doubled", "Authorization")}:
            assert answer[9:12] == b"401"
        if name in ("X-Origin-User", "X-Request-Id", "traceparent", "Accept", "User-Agent", "Connection"):
            assert answer[9:12] == b"202", (name, answer)
