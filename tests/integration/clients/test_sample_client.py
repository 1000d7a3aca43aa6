"""The Python sample of docs/clients.md against what proxies and servers answer on a bad day."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.integration.clients.markdown import examples, page

SAMPLE = next(it.text for it in examples(page("clients.md")) if it.language == "python" and "def call(" in it.text)
DONE = {"request_id": 1, "request_correlation_id": "X", "status": "COMPLETED", "errors": []}
PROBLEM, HTML, JSON = "application/problem+json", "text/html", "application/json"
Bad = tuple[int, str, bytes, dict[str, str]]

PASSES: dict[str, Bad] = {
    "502 HTML": (502, HTML, b"<html>Bad Gateway</html>", {"Retry-After": "0"}),
    "503 date": (503, PROBLEM, b"{}", {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}),
    "503 decimal": (503, PROBLEM, b"{}", {"Retry-After": "0.1"}),
    "503 nonsense": (503, PROBLEM, b"{}", {"Retry-After": "soon"}),
    "503 nan": (503, PROBLEM, b"{}", {"Retry-After": "nan"}),
    "503 negative": (503, PROBLEM, b"{}", {"Retry-After": "-5"}),
    "504 empty": (504, "text/plain", b"", {}),
    "500 array": (500, JSON, b"[1]", {"Retry-After": "0"}),
    "500 no UTF-8": (500, JSON, b"\xff\xfe", {"Retry-After": "0"}),
    "500 broken gzip": (500, JSON, b"no gzip", {"Content-Encoding": "gzip"}),
    "429 HTML": (429, HTML, b"<html>", {"Retry-After": "0"}),
    "200 HTML": (200, HTML, b"<html>login</html>", {"Retry-After": "0"}),
    "200 empty": (200, JSON, b"", {"Retry-After": "0"}),
}
ENDS: dict[str, Bad] = {
    "413 HTML": (413, HTML, b"<html>", {}),
    "414 empty": (414, HTML, b"", {}),
    "403 array": (403, JSON, b"[]", {}),
    "302 login": (302, HTML, b"", {"Location": "/login"}),
    "422 problem": (422, PROBLEM, b'{"type": "/problems/invalid-request", "detail": "1 fault"}', {}),
}


@contextmanager
def answering(first: Bad) -> Iterator[str]:
    """The URL of a server that answers this once, and then as it should."""
    left = [first]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            status, kind, body, headers = left.pop() if left else (202, JSON, json.dumps(DONE).encode(), {})
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def run(url: str) -> subprocess.CompletedProcess[str]:
    environment: dict[str, Any] = {**os.environ, "OMS_INTAKE_URL": url, "OMS_TOKEN": "t"}
    return subprocess.run([sys.executable, "-c", SAMPLE], env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("name", PASSES)
def test_what_passes_is_waited_for(name: str) -> None:
    with answering(PASSES[name]) as url:
        done = run(url)
    assert (done.returncode, done.stdout) == (0, "X is COMPLETED []\n"), done.stderr


@pytest.mark.parametrize("name", ENDS)
def test_what_does_not_pass_is_told_with_its_status(name: str) -> None:
    with answering(ENDS[name]) as url:
        done = run(url)
    assert f"was answered {ENDS[name][0]}" in done.stderr.splitlines()[-1]
