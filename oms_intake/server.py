"""gunicorn's threaded worker, with problem answers to calls that gunicorn refuses, and a quick end.

The gateway handles slow clients: it reads a whole call before it passes the call on (docs/decisions/0016).
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
    # Error class, status, problem, detail; the first match counts. No such call is worth repeating.
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
    """gunicorn's log without the access log: with a logconfig_dict it would format every line of that."""

    access_log_enabled = False


class Worker(ThreadWorker):  # type: ignore[misc]
    """A thread for each call."""

    alive: bool

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        """Answer a call that gunicorn refuses before the app sees it, with a problem instead of HTML."""
        _, status, name, detail = next(refused for refused in REFUSED if isinstance(exc, refused[0]))
        call_id = secrets.token_hex(16)
        if status == 500:
            log.error("unforeseen_error", call_id=call_id, **error_place(exc))
        else:
            log.info("call_refused", call_id=call_id, status=status, problem=name, error=type(exc).__qualname__)
        with suppress(OSError):
            client.sendall(problem_bytes(status, name, detail, call_id))

    def is_parent_alive(self) -> bool:
        """Called in every turn of the main loop. A worker without its parent stops as at SIGTERM.

        gunicorn would leave the loop but keep connections alive. Busy clients would then hold the worker and the port
        that the next server needs, until ``graceful_timeout``.
        """
        if not super().is_parent_alive():
            self.alive = False
        return self.alive

    def set_accept_enabled(self, enabled: bool) -> None:
        """Called to start or stop taking new connections. A stopping worker takes those that are already made.

        Then it releases the port: a later client is refused at once, or served by the next server.
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
