"""The load generator, a separate process: connections with one call in flight each, for a given number of seconds.

A polite client pauses after each answer.

It writes HTTP by hand and reads only the status of the answers, to leave the cores to the servers.
Reads its order from standard input as JSON, writes what it measured to standard output as JSON.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlsplit

from include.local.bench.figures import percentile

ID_LENGTH = 24
PLACEHOLDER = "@" * ID_LENGTH  # stands for the correlation id in a body
PATIENCE_SECONDS = 30  # for answers that are still missing at the end
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Order:
    """What to do. Bodies hold the PLACEHOLDER; ``run`` is part of every correlation id. Without bodies: GET."""

    url: str
    token: str
    run: str
    connections: int
    seconds: float
    bodies: list[str]
    pause_seconds: float = 0.0


@dataclass(frozen=True)
class Measured:
    """The result of one round."""

    per_second: float
    p50_ms: float
    p99_ms: float
    statuses: dict[str, int]


@dataclass
class _Round:
    """The state that all connections share."""

    order: Order
    until: float
    calls: list[bytes]
    sent: int = 0
    milliseconds: list[float] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)

    def next_call(self) -> bytes:
        """The next call's bytes, with a new correlation id."""
        self.sent += 1
        name = f"{self.order.run}-{self.sent}".ljust(ID_LENGTH, "-")
        return self.calls[self.sent % len(self.calls)].replace(PLACEHOLDER.encode(), name.encode())


class _Connection(asyncio.Protocol):
    def __init__(self, shared: _Round, done: asyncio.Future[None]) -> None:
        self._shared, self._done = shared, done
        self._got = b""
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._got += data
        head = self._got.find(b"\r\n\r\n")
        length = _LENGTH.search(self._got, 0, head) if head > 0 else None
        if length and len(self._got) >= head + 4 + int(length[1]):
            self._note(self._got[9:12].decode())

    def connection_lost(self, _: Exception | None) -> None:
        if not self._done.done():
            self._shared.statuses["lost"] = self._shared.statuses.get("lost", 0) + 1
            self._done.set_result(None)

    def _send(self) -> None:
        if self._transport.is_closing():
            return
        self._got = b""
        self._sent_at = time.perf_counter()
        self._transport.write(self._shared.next_call())

    def _note(self, status: str) -> None:
        now = time.perf_counter()
        self._shared.milliseconds.append((now - self._sent_at) * 1000)
        self._shared.statuses[status] = self._shared.statuses.get(status, 0) + 1
        if now < self._shared.until:
            self._again()
        else:
            self._done.set_result(None)
            self._transport.close()

    def _again(self) -> None:
        if pause := self._shared.order.pause_seconds:
            asyncio.get_running_loop().call_later(pause, self._send)
        else:
            self._send()


def measure(order: Order) -> Measured:
    """Run one round as a separate process. Raises subprocess.SubprocessError."""
    ended = subprocess.run(
        [sys.executable, "-m", "include.local.bench.load"],
        input=json.dumps(asdict(order)), capture_output=True, text=True, check=True,
        timeout=order.seconds + 2 * PATIENCE_SECONDS,
    )  # fmt: skip
    return Measured(**json.loads(ended.stdout))


async def work(order: Order) -> Measured:
    """Run one round."""
    began = time.perf_counter()
    shared = _Round(order, began + order.seconds, [_call(order, body.encode()) for body in order.bodies or [""]])
    ends = [await _connect(shared) for _ in range(order.connections)]
    await asyncio.wait_for(asyncio.gather(*ends), order.seconds + PATIENCE_SECONDS)
    seconds = time.perf_counter() - began
    times = shared.milliseconds
    return Measured(len(times) / seconds, percentile(times, 0.5), percentile(times, 0.99), shared.statuses)


async def _connect(shared: _Round) -> asyncio.Future[None]:
    """Open one connection and start its calls. Returns a future that is done when the connection ends."""
    address = urlsplit(shared.order.url)
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    await loop.create_connection(lambda: _Connection(shared, done), address.hostname or "", address.port or 80)
    return done


def _call(order: Order, body: bytes) -> bytes:
    address = urlsplit(order.url)
    target = f"{address.path}?{address.query}" if address.query else address.path
    head = (
        f"{'POST' if order.bodies else 'GET'} {target} HTTP/1.1\r\nHost: {address.netloc}\r\n"
        f"Authorization: Bearer {order.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def main() -> None:
    """Read the order, run the round, write the result."""
    order: dict[str, Any] = json.load(sys.stdin)
    print(json.dumps(asdict(asyncio.run(work(Order(**order))))))


if __name__ == "__main__":
    main()
