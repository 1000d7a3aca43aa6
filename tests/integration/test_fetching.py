"""Fetching from a neighbour that may answer anything, or nothing."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import pytest

from include.oms.base.fetching import Fetched, Fetcher, FetchError, _etag

Neighbour = Callable[..., str]


@pytest.fixture
def neighbour() -> Iterator[Neighbour]:
    """Answers one call with these parts, pausing after each; then hangs up, or not."""
    server = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()
    threads = []

    def answer(*parts: bytes, pause_seconds: float = 0.0, hangs: bool = False) -> str:
        def serve() -> None:
            client, _ = server.accept()
            with client:
                client.recv(65536)
                for part in parts:
                    client.sendall(part)
                    if done.wait(pause_seconds):
                        return
                if hangs:
                    done.wait(30)

        threads.append(threading.Thread(target=_quietly, args=[serve]))
        threads[-1].start()
        return f"http://127.0.0.1:{server.getsockname()[1]}/x"

    yield answer
    done.set()
    for thread in threads:
        thread.join()
    server.close()


def _quietly(serve: Callable[[], None]) -> None:
    with suppress(OSError):  # the other side hung up: that is what some tests are about
        serve()


@pytest.fixture
def fetcher() -> Iterator[Fetcher]:
    fetcher = Fetcher(timeout_seconds=20, max_bytes=1000)
    yield fetcher
    fetcher.close()


def ok(body: bytes, *headers: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\n" + b"".join(h + b"\r\n" for h in headers) + b"Connection: close\r\n\r\n" + body


def test_json_with_its_etag(neighbour: Neighbour, fetcher: Fetcher) -> None:
    assert fetcher.fetch(neighbour(ok(b"[1]", b'ETag: "7"'))) == Fetched([1], '"7"')
    unchanged = neighbour(b"HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n")
    assert fetcher.fetch(unchanged, '"7"') == Fetched(None, '"7"')


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        ok(b""),
        ok(b"<html>"),
        ok(b"\xff"),
        ok(b"[" * 999),
        ok(b"[" + b"1," * 600 + b"1]"),  # too long
        ok(b"[]", b"Content-Length: 100"),  # broken off
        ok(b"[]", b"Content-Encoding: gzip"),
        b"HTTP/1.1 500 Oops\r\nConnection: close\r\n\r\n[]",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n",  # though nothing was known
    ],
)
def test_what_is_no_answer(neighbour: Neighbour, fetcher: Fetcher, answer: bytes) -> None:
    with pytest.raises(FetchError):
        fetcher.fetch(neighbour(answer))


def test_silence_and_trickles_are_not_waited_for(neighbour: Neighbour) -> None:
    with closing(Fetcher(timeout_seconds=0.5, max_bytes=1000)) as hasty:
        for url in (neighbour(hangs=True), neighbour(ok(b"["), *[b"1,"] * 400, pause_seconds=0.1)):
            began_at = time.monotonic()
            with pytest.raises(FetchError):
                hasty.fetch(url)
            assert time.monotonic() - began_at < 20, "silence lasts 30 s, the trickle 40"


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://[bad/", "ftp://127.0.0.1/", "http://127.0.0.1:99999/"])
def test_nobody_there(fetcher: Fetcher, url: str) -> None:
    with pytest.raises(FetchError):
        fetcher.fetch(url)


@pytest.mark.parametrize("sent", ['"caf\u00e9"', "x" * 5000])
def test_an_etag_that_cannot_be_sent_back_is_not_kept(sent: str) -> None:
    assert _etag(sent) is None
    assert _etag('W/"1"') == 'W/"1"'
