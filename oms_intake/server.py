"""gunicorn's threaded worker, made patient: a slow client costs a socket, not a thread.

gunicorn gives a connection a thread at its first byte, and the thread waits for the rest for as long as the client
likes: a handful of clients that send a byte now and then ("slow loris") would hold all of them. Here the main loop
waits instead, until the call's headers are there as a whole, and a call that takes too long is cut off.
"""

from __future__ import annotations

import selectors
import socket
import time
from contextlib import suppress
from functools import partial
from typing import Any

from gunicorn.glogging import Logger
from gunicorn.workers.gthread import TConn, ThreadWorker

from oms_intake.settings import intake_settings

LARGEST_HEAD = 32_768
"""Bytes; beyond them gunicorn is asked, whose own limits on headers then speak."""

STOPPING_SECONDS = 2
"""From connecting to the end of the headers, once the server is stopping."""

TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class ServerLog(Logger):  # type: ignore[misc]
    """gunicorn's log without the access log's part: with a logconfig_dict, it would put together every line of it."""

    access_log_enabled = False


class PatientWorker(ThreadWorker):  # type: ignore[misc]
    """A thread for each call that is there, none for those still coming."""

    alive: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._coming: dict[TConn, float] = {}  # connections whose headers are not there, by deadline
        self._worked: dict[TConn, float] = {}  # connections that a thread has, by deadline
        self._settings = intake_settings()

    def enqueue_req(self, conn: TConn) -> None:
        """Called when a connection is opened, and when its next call begins: hand it to a thread, or wait on."""
        if self._is_there(conn):
            if self._coming.pop(conn, None):
                with suppress(OSError):
                    conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
            self._worked[conn] = time.monotonic() + self._settings.intake_call_seconds
            conn.data_ready = True
            super().enqueue_req(conn)
        else:
            self._coming.setdefault(conn, time.monotonic() + self._settings.intake_head_seconds)
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._more, conn))

    def is_parent_alive(self) -> bool:
        """Looked at with every turn of the main loop. A worker without its server stops as it would at SIGTERM.

        gunicorn leaves the loop, but goes on to keep connections alive: busy clients hold the worker, and the worker
        the port that the next server needs, until graceful_timeout.
        """
        if not super().is_parent_alive():
            self.alive = False
        return self.alive

    def set_accept_enabled(self, enabled: bool) -> None:
        """Called where new connections are to be taken, or not. A stopping worker takes those that have been made.

        Then it lets the port go: who calls from now on is refused, or served by the next server, and waits for nobody.
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

    def finish_request(self, conn: TConn, fs: Any) -> None:
        """Called when a thread is through with a call."""
        self._worked.pop(conn, None)
        super().finish_request(conn, fs)

    def murder_pending(self) -> None:
        """Called with every turn of the main loop, once a second at least."""
        super().murder_pending()
        now = time.monotonic()
        lost_patience = 0 if self.alive else self._settings.intake_head_seconds - STOPPING_SECONDS
        for conn in [conn for conn, deadline in self._coming.items() if deadline - lost_patience < now]:
            self._give_up(conn)
        for conn in [conn for conn, deadline in self._worked.items() if deadline < now]:
            del self._worked[conn]
            with suppress(OSError):  # the thread that reads or writes it is told so, and closes it
                conn.sock.shutdown(socket.SHUT_RDWR)

    def _more(self, conn: TConn, _: socket.socket) -> None:
        self.poller.unregister(conn.sock)
        self.enqueue_req(conn)

    def _is_there(self, conn: TConn) -> bool:
        """Whether a thread would not have to wait: the headers are there, or the end of the connection is."""
        head: bytes = conn.parser.unreader.buf.getvalue() if conn.parser else b""  # what came with the call before
        try:
            conn.sock.setblocking(False)
            seen = conn.sock.recv(LARGEST_HEAD, socket.MSG_PEEK)
            head += seen
            is_there = not seen or b"\r\n\r\n" in head or len(head) >= LARGEST_HEAD
            if not is_there:  # to be told when there is more than what was seen, not of that again
                conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, len(seen) + 1)
        except BlockingIOError:
            is_there = b"\r\n\r\n" in head
        except OSError:
            is_there = True
        return is_there

    def _give_up(self, conn: TConn) -> None:
        del self._coming[conn]
        with suppress(OSError, KeyError, ValueError):
            self.poller.unregister(conn.sock)
        with suppress(OSError):
            conn.sock.recv(LARGEST_HEAD)  # a connection that is closed on unread data is reset, answer and all
        with suppress(OSError):
            conn.sock.send(TIMED_OUT)
        self.nr_conns -= 1
        conn.close()
