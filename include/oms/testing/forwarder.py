"""A proxy to the database that can fall silent, as in a fail-over that closes no connection."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from psycopg.conninfo import conninfo_to_dict, make_conninfo

CHUNK_BYTES = 65_536


class Forwarder:
    """Forwards connections. After ``fall_silent``, connections that were open get no more bytes; new ones work.

    The server's sessions of the silent ones end, as those of a failed server do.
    """

    def __init__(self, url: str) -> None:
        said = conninfo_to_dict(url)
        self._host, self._server_port = str(said["host"]), said.get("port", 5432)
        self._url = url
        self._silent = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self.url, self.port = "", 0

    def fall_silent(self) -> None:
        """Stop forwarding on all connections that are open now. Any thread may call it."""
        self._loop.call_soon_threadsafe(self._fall_silent)

    def _fall_silent(self) -> None:
        self._silent.set()
        self._silent = asyncio.Event()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        silent = self._silent
        with suppress(OSError, asyncio.CancelledError):  # the server is away; or this forwarder ends
            await self._forward(reader, writer, silent)
            while silent.is_set() and await reader.read(CHUNK_BYTES):
                pass  # tell nothing, close nothing
        writer.close()
        self._tasks.discard(task)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, silent: asyncio.Event) -> None:
        """Forward until one side closes, or silence falls. Raises OSError where the server is away."""
        their_reader, their_writer = await self._reach_server()
        ends = [asyncio.ensure_future(it) for it in (
            _pump(reader, their_writer), _pump(their_reader, writer), silent.wait()
        )]  # fmt: skip
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for running in ends:
                running.cancel()
            their_writer.close()
            await asyncio.gather(*ends, return_exceptions=True)

    async def _reach_server(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._host.startswith("/"):
            return await asyncio.open_unix_connection(f"{self._host}/.s.PGSQL.{self._server_port}")
        return await asyncio.open_connection(self._host, self._server_port)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Forwarder]:
        """Listen on a free loopback port while the block runs."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self.url = make_conninfo(self._url, host="127.0.0.1", port=self.port)
        try:
            yield self
        finally:
            server.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await source.read(CHUNK_BYTES):
            sink.write(data)
            await sink.drain()


@contextmanager
def forwarding(url: str) -> Iterator[Forwarder]:
    """Run a forwarder in a thread, for code without asyncio."""
    ready, over = threading.Event(), threading.Event()
    made: list[Forwarder] = []

    async def run() -> None:
        async with Forwarder(url).running() as forwarder:
            made.append(forwarder)
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    assert ready.wait(10)
    try:
        yield made[0]
    finally:
        over.set()
        thread.join()
