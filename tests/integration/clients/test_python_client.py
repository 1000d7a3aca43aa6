"""clients/python against what proxies and servers answer on a bad day."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from oms_client import OmsClient, OutOfReach, Refused, client

DONE = {"request_id": 1, "request_correlation_id": "X", "status": "COMPLETED", "errors": []}
REQUEST: Any = {"request_correlation_id": "X"}
PROBLEM, HTML, JSON, PDF = "application/problem+json", "text/html", "application/json", "application/pdf"
Answered = tuple[int, str, bytes, dict[str, str]]

PASSES: dict[str, tuple[Answered, float | None]] = {  # with the wait; None: a back-off of the client's own
    "502 HTML": ((502, HTML, b"<html>Bad Gateway</html>", {"Retry-After": "7"}), 7),
    "503 old date": ((503, PROBLEM, b"{}", {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}), 0),
    "503 far date": ((503, PROBLEM, b"{}", {"Retry-After": "Wed, 21 Oct 2115 07:28:00 GMT"}), 60),
    "503 decimal": ((503, PROBLEM, b"{}", {"Retry-After": "0.1"}), 0.1),
    "503 nonsense": ((503, PROBLEM, b"{}", {"Retry-After": "soon"}), None),
    "503 nan": ((503, PROBLEM, b"{}", {"Retry-After": "nan"}), None),
    "503 negative": ((503, PROBLEM, b"{}", {"Retry-After": "-5"}), 0),
    "503 a day": ((503, PROBLEM, b"{}", {"Retry-After": "86400"}), 60),
    "504 empty": ((504, "text/plain", b"", {}), None),
    "500 array": ((500, JSON, b"[1]", {"Retry-After": "0"}), 0),
    "500 no UTF-8": ((500, JSON, b"\xff\xfe", {"Retry-After": "0"}), 0),
    "500 deep": ((500, JSON, b"[" * 200_000, {"Retry-After": "0"}), 0),
    "500 broken gzip": ((500, JSON, b"no gzip", {"Content-Encoding": "gzip"}), None),
    "429 HTML": ((429, HTML, b"<html>", {"Retry-After": "0"}), 0),
    "200 HTML": ((200, HTML, b"<html>login</html>", {"Retry-After": "0"}), 0),
    "200 empty": ((200, JSON, b"", {"Retry-After": "0"}), 0),
    "cut off": ((200, JSON, b'{"a":', {"Content-Length": "100"}), None),
}
ENDS: dict[str, Answered] = {
    "413 HTML": (413, HTML, b"<html>", {}),
    "414 empty": (414, HTML, b"", {}),
    "403 array": (403, JSON, b"[]", {}),
    "302 login": (302, HTML, b"", {"Location": "/login"}),
    "422 problem": (422, PROBLEM, b'{"type": "/problems/invalid-request", "detail": "1 fault"}', {}),
}


class Server:
    """Answers these, one after the other, and the last one from then on."""

    def __init__(self, *answers: Answered) -> None:
        self.calls: list[tuple[str, str]] = []
        left, server = list(answers), self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.do_GET()

            def do_GET(self) -> None:
                server.calls.append((self.path, self.headers["Authorization"]))
                status, kind, body, headers = left.pop(0) if len(left) > 1 else left[0]
                self.send_response(status)
                for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/"


@contextmanager
def answering(*answers: Answered) -> Iterator[Server]:
    server = Server(*answers)
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.http.shutdown()
    thread.join()
    server.http.server_close()


class Clock:
    """The client's clock: a sleep takes no time and is noted."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.now = 1_700_000_000.0

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def monotonic(self) -> float:
        return self.now

    time = monotonic


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(client, "time", made)
    return made


def done(**changes: Any) -> Answered:
    return 200, JSON, json.dumps(DONE | changes).encode(), {}


@pytest.mark.parametrize("name", PASSES)
def test_what_passes_is_waited_for(name: str, clock: Clock) -> None:
    bad, wait = PASSES[name]
    with answering(bad, done()) as server, OmsClient(server.url, "t") as oms:
        assert oms.ask(REQUEST) == DONE
    assert clock.slept == [1.0 if wait is None else wait]
    assert server.calls == [("/v1/document-requests", "Bearer t")] * 2


@pytest.mark.parametrize("name", ENDS)
def test_what_does_not_pass_is_told_with_its_status(name: str) -> None:
    with answering(ENDS[name]) as server, OmsClient(server.url, "t") as oms:
        with pytest.raises(Refused, match=f"was answered {ENDS[name][0]}") as refused:
            oms.ask(REQUEST)
        assert refused.value.status == ENDS[name][0]
    assert len(server.calls) == 1


def test_an_outage_without_end_is_told(clock: Clock) -> None:
    with (
        answering((503, HTML, b"<html>", {})) as server,
        OmsClient(server.url, "t", attempts=4) as oms,
        pytest.raises(OutOfReach, match="503"),
    ):
        oms.get(1)
    assert (len(server.calls), clock.slept) == (4, [1, 2, 4])


def test_nobody_at_the_address_is_told(clock: Clock) -> None:
    with answering(done()) as server:
        url = server.url
    with OmsClient(url, "t", attempts=2) as oms, pytest.raises(OutOfReach, match="ConnectError"):
        oms.get(1)


def test_each_attempt_has_a_token_in_force() -> None:
    tokens = iter(["old", "new"])
    with answering((503, HTML, b"", {}), done()) as server, OmsClient(server.url, lambda: next(tokens)) as oms:
        oms.get(1)
    assert [token for _, token in server.calls] == ["Bearer old", "Bearer new"]


def test_the_end_is_waited_for(clock: Clock) -> None:
    answers = done(status="QUEUED"), done(status="PROCESSING"), done()
    with answering(*answers) as server, OmsClient(server.url, "t") as oms:
        assert oms.wait_for_end(1, seconds=60)["status"] == "COMPLETED"
    assert clock.slept == [1.0, 1.5]


def test_the_wait_has_an_end(clock: Clock) -> None:
    with (
        answering(done(status="PROCESSING")) as server,
        OmsClient(server.url, "t") as oms,
        pytest.raises(TimeoutError, match="request 1 is PROCESSING after 60 s"),
    ):
        oms.wait_for_end(1, seconds=60)
    assert sum(clock.slept) == pytest.approx(60)


WHOLE = b"%PDF-1.7 a letter %%EOF"
HEADERS = {
    "ETag": f'"{hashlib.sha256(WHOLE).hexdigest()}"',
    "Content-Disposition": 'attachment; filename="IVZRECPA-1.pdf"',
}
NOT_WHOLE: dict[str, Answered] = {
    "fewer bytes": (200, PDF, WHOLE[:10], HEADERS | {"Content-Length": str(len(WHOLE))}),
    "a proxy's length": (200, PDF, WHOLE[:10], HEADERS),
    "other bytes": (200, PDF, WHOLE.replace(b"letter", b"LETTER"), HEADERS),
    "no ETag": (200, PDF, WHOLE, {}),
    "a page": (200, HTML, b"<html>", {}),
}


@pytest.mark.parametrize("name", NOT_WHOLE)
def test_a_document_that_is_not_whole_is_fetched_again(name: str) -> None:
    with answering(NOT_WHOLE[name], (200, PDF, WHOLE, HEADERS)) as server, OmsClient(server.url, "t") as oms:
        document = oms.document(1)
    assert (document.content, document.file_name) == (WHOLE, "IVZRECPA-1.pdf")
    assert document.sha256 == hashlib.sha256(WHOLE).hexdigest()
    assert len(server.calls) == 2


def test_a_file_name_that_leads_elsewhere_is_not_used() -> None:
    headers = HEADERS | {"Content-Disposition": 'attachment; filename="../../etc/passwd"'}
    with answering((200, PDF, WHOLE, headers)) as server, OmsClient(server.url, "t") as oms:
        assert oms.document(1).file_name == "document.pdf"


def test_all_pages_are_found() -> None:
    pages = [
        (200, JSON, json.dumps({"items": [DONE | {"request_id": n}], "next_cursor": cursor}).encode(), {})
        for n, cursor in ((2, "c2"), (1, None))
    ]
    with answering(*pages) as server, OmsClient(server.url, "t") as oms:  # type: ignore[arg-type]
        assert [it["request_id"] for it in oms.find(status=["COMPLETED", "FAILED"])] == [2, 1]
    query = "/v1/document-requests?status=COMPLETED&status=FAILED&limit=500"
    assert [path for path, _ in server.calls] == [query, f"{query}&cursor=c2"]


def test_a_date_without_a_zone_is_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "time", time)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        date = f"{datetime.now(UTC) + timedelta(seconds=30):%a, %d %b %Y %H:%M:%S}"
        assert 20 < client.seconds_to_wait(date, default=-1) <= 30
    finally:
        monkeypatch.undo()
        time.tzset()
