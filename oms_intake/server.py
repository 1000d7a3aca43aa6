"""gunicorn's threaded worker, with our answers where gunicorn refuses a call, and a quick end.

Slow clients are the gateway's matter: it reads a call as a whole before the intake hears of it (docs/decisions/0016).
"""

from __future__ import annotations

import secrets
import socket
from contextlib import suppress
from typing import Any

import msgspec
import structlog
from gunicorn.glogging import Logger
from gunicorn.http import errors
from gunicorn.workers.gthread import ThreadWorker

from include.oms.words.problems import PROBLEMS
from oms_intake.logs import error_place

REFUSED: tuple[tuple[type[Exception], int, str, str], ...] = (
    # The first that fits: what was found, status, problem, detail. It is never worth repeating.
    (errors.InvalidResponseHeader, 500, "internal-error", "an unexpected error; it has been logged"),
    (errors.InvalidResponseHeaderName, 500, "internal-error", "an unexpected error; it has been logged"),
    (errors.LimitRequestLine, 414, "uri-too-long", "the request line is longer than the limit"),
    (errors.LimitRequestHeaders, 431, "headers-too-large", "a header field is too long, or there are too many"),
    (errors.UnsupportedTransferCoding, 501, "bad-call", "the transfer coding is not supported"),
    (errors.ExpectationFailed, 417, "bad-call", "the expectation is not supported"),
    (errors.ParseException, 400, "bad-call", "this is no HTTP/1.1 request"),
    (Exception, 500, "internal-error", "an unexpected error; it has been logged"),
)

log = structlog.get_logger()


class ServerLog(Logger):  # type: ignore[misc]
    """gunicorn's log without the access log's part: with a logconfig_dict, it would put together every line of it."""

    access_log_enabled = False


class Worker(ThreadWorker):  # type: ignore[misc]
    """A thread for each call."""

    alive: bool

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        """Answer a call that gunicorn refuses before the app sees it: as a problem, where gunicorn would send HTML."""
        _, status, name, detail = next(refused for refused in REFUSED if isinstance(exc, refused[0]))
        call_id = secrets.token_hex(16)
        if status == 500:
            log.error("unforeseen_error", call_id=call_id, **error_place(exc))
        else:
            log.info("call_refused", call_id=call_id, status=status, problem=name, error=type(exc).__qualname__)
        with suppress(OSError):
            client.sendall(problem_bytes(status, name, detail, call_id))

    def is_parent_alive(self) -> bool:
        """Called with every turn of the main loop. A worker without its parent stops as it would at SIGTERM.

        gunicorn leaves the loop but goes on to keep connections alive, so busy clients hold the worker, and the worker
        holds the port that the next server needs, until ``graceful_timeout``.
        """
        if not super().is_parent_alive():
            self.alive = False
        return self.alive

    def set_accept_enabled(self, enabled: bool) -> None:
        """Called to begin or end taking new connections. A stopping worker takes those that have been made.

        Then it lets the port go: a client that calls from now on is refused at once or served by the next server.
        """
        super().set_accept_enabled(enabled)
        if enabled or self.alive:
            return
        for listener in self.sockets:
            before = -1
            while listener.sock and before != self.nr_conns:
                before = self.nr_conns
                self.accept(listener)
            listener.close()


def problem_bytes(status: int, name: str, detail: str, call_id: str) -> bytes:
    """The whole HTTP answer to a call that cannot be read; the connection ends with it."""
    problem = PROBLEMS[name]
    content = {
        "type": problem.path,
        "title": problem.title,
        "status": status,
        "detail": detail,
        "instance": "/",
        "request_id": call_id,
    }
    body = msgspec.json.encode(content)
    head = (
        f"HTTP/1.1 {status} \r\nConnection: close\r\nContent-Type: application/problem+json\r\n"
        f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
        f"X-Request-Id: {call_id}\r\n\r\n"
    )
    return head.encode() + body
