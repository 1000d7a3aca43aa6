"""The production server around the app: slow and rude clients, many processes, a good end."""

import json
import os
import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
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


def send(client: socket.socket, call: bytes) -> None:
    """Send a call. The server may have answered and closed before the end of it."""
    with suppress(ConnectionError):
        client.sendall(call)


def read_all(client: socket.socket) -> bytes:
    """All that comes until the end, which is a reset where the server has not read the whole call."""
    got = b""
    with suppress(ConnectionError):
        while part := client.recv(65536):
            got += part
    return got


def test_a_client_that_stops_sending_is_cut_off(serve: Serve, headers: dict[str, str]) -> None:
    """As many as there are threads, in the headers and in the body; the gateway would not let them come this far."""
    served = serve(intake_client_seconds=1)
    call = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: {headers['Authorization']}\r\n"
    body = f"{call}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
    with ExitStack() as stack:
        slow = [stack.enter_context(connect(served)) for _ in range(4)]
        for client, sent in zip(slow, (call, body) * 2, strict=True):
            client.sendall(sent.encode())
        assert {read_all(client)[:12] for client in slow} <= {b"", b"HTTP/1.1 400"}
    assert httpx.get(f"{served.url}/healthz", trust_env=False).status_code == 200


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


def problem_of(answer: bytes) -> tuple[int, str]:
    """Status and name of the problem. Raises AssertionError where the answer is none by the contract."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"\r\nContent-Type: application/problem+json\r\n" in head + b"\r\n"
    told = json.loads(body)
    assert {"type", "title", "status", "detail", "instance", "request_id"} <= told.keys()
    assert f"X-Request-Id: {told['request_id']}".encode() in head
    assert int(answer[9:12]) == told["status"]
    return told["status"], told["type"].removeprefix("/problems/")


GET, POST = b"GET /healthz HTTP/1.1\r\nHost: x\r\n", b"POST / HTTP/1.1\r\nHost: x\r\n"


REFUSED = [
    (b"\0\0\0\0\r\n\r\n", (400, "bad-call")),
    (b"GET / HTTP/9.9\r\n\r\n", (400, "bad-call")),
    (GET + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", (400, "bad-call")),
    (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", (400, "bad-call")),
    (POST + b"Transfer-Encoding: gzip\r\n\r\n", (400, "bad-call")),
    (GET + b"Expect: tea\r\n\r\n", (417, "bad-call")),
    (GET + b"X : y\r\n\r\n", (400, "bad-call")),
    (GET + b"".join(b"X-%d: x\r\n" % i for i in range(200)) + b"\r\n", (431, "headers-too-large")),
    (GET + b"X: " + b"x" * 16_400 + b"\r\n\r\n", (431, "headers-too-large")),
    (GET + b"X: " + b"x" * 100_000 + b"\r\n\r\n", (431, "headers-too-large")),
    (b"GET /" + b"x" * 8_200 + b" HTTP/1.1\r\nHost: x\r\n\r\n", (414, "uri-too-long")),
    (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", (414, "uri-too-long")),
    (b"GET /" + b"x" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", (414, "uri-too-long")),
    (b"GET /healthz HTTP/1.1\r\nHost: a b\0c\r\n\r\n", (400, "bad-call")),
]


def test_what_is_no_call_is_refused_as_a_problem(serve: Serve) -> None:
    served = serve()
    for call, problem in REFUSED:
        with connect(served) as client:
            send(client, call)
            assert problem_of(read_all(client)) == problem, call[:40]
    assert httpx.get(f"{served.url}/healthz", trust_env=False).status_code == 200
    assert "xxxx" not in json.dumps(served.lines())


def test_an_end_without_a_call_is_no_error(serve: Serve) -> None:
    served = serve()
    with connect(served) as client:
        client.sendall(b"\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        assert read_all(client)[:12] in (b"", b"HTTP/1.1 400")
    assert not [line for line in served.lines() if line["level"] == "error"]


CHUNKS = [
    b"5;\0bad\r\nhello\r\n0\r\n\r\n", b"5;x=" + b"y" * 100_000 + b"\r\nhello\r\n0\r\n\r\n", b"zz\r\nhello\r\n0\r\n\r\n",
    b"-5\r\nhello\r\n0\r\n\r\n", b"5\r\nhelloX\r\n0\r\n\r\n", b"5\nhello\n0\n\n", b"f" * 100 + b"\r\nhello",
    b"5\r\nhello\r\n0\r\nbad trailer\r\n\r\n", b"5\r\nhello\r\n0\r\nX : y\r\n\r\n", b"0x5\r\nhello\r\n0\r\n\r\n",
    b"5\r\nhello\r\n0\r\n" + b"".join(b"X-%d: x\r\n" % i for i in range(300)) + b"\r\n",
]  # fmt: skip


@pytest.mark.parametrize("path", [PATH, f"{PATH}/bulk"])
def test_bad_chunks_and_trailers_are_the_clients_fault(serve: Serve, headers: dict[str, str], path: str) -> None:
    served = serve()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {headers['Authorization']}\r\n"
    head += "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    for chunks in CHUNKS:
        with connect(served) as client:
            send(client, head.encode() + chunks)
            with suppress(OSError):
                client.shutdown(socket.SHUT_WR)
            status, _ = problem_of(read_all(client))
            assert status in (400, 431), chunks
    assert not [line for line in served.lines() if line["level"] == "error"]


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
    assert served.process.wait(60) == 0


def test_a_process_that_dies_is_replaced(serve: Serve, headers: dict[str, str]) -> None:
    served = serve(intake_workers=2)
    pids = [int(line["event"].split()[-1]) for line in served.lines() if "Booting worker" in line["event"]]
    os.kill(pids[0], signal.SIGKILL)
    until = time.monotonic() + 30
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
    served = serve(intake_client_seconds=3)
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
            send(client, f"POST {PATH} HTTP/1.1\r\n{head}\r\n{body}".encode())
            with suppress(OSError):
                client.shutdown(socket.SHUT_WR)
            answer = read_all(client)
        assert answer[9:12] in (b"202", b"400", b"401", b"413", b"415", b"422"), (name, answer)
        if (times, name) in {("missing", "Authorization"), ("doubled", "Authorization")}:
            assert answer[9:12] == b"401"
        if name in ("X-Origin-User", "X-Request-Id", "traceparent", "Accept", "User-Agent", "Connection"):
            assert answer[9:12] == b"202", (name, answer)
