"""A proxy to the database that can fall silent, as in a fail-over that closes no connection."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from include.oms.testing.postgres import SERVER_PORT


class Forwarder:
    """Forwards connections. After ``fall_silent``, connections that were open get no more bytes; new ones work."""

    def __init__(self, url: str) -> None:
        said = conninfo_to_dict(url)
        self._target = f"{said['host']}/.s.PGSQL.{said.get('port', SERVER_PORT)}"
        self._url = url
        self._silent = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self.url = ""

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
        their_reader, their_writer = await asyncio.open_unix_connection(self._target)

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(65_536):
                if silent.is_set():
                    await asyncio.Event().wait()  # waits for ever: forward nothing, close nothing
                sink.write(data)
                await sink.drain()

        pumps = [asyncio.ensure_future(pump(reader, their_writer)), asyncio.ensure_future(pump(their_reader, writer))]
        with suppress(ConnectionError, asyncio.CancelledError):
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for running in pumps:
            running.cancel()
        writer.close()
        their_writer.close()
        self._tasks.discard(task)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Forwarder]:
        """Listen on a free loopback port while the block runs."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        self.url = make_conninfo(self._url, host="127.0.0.1", port=port)
        try:
            yield self
        finally:
            server.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)


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
