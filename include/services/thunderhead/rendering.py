"""Render the waiting documents of the ledger, one at a time, in a process of its own.

The ledger is the queue, so a long queue needs no memory: only ``WINDOW`` ids are held.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from pathlib import Path

from include.services.thunderhead.ledger import Batch, Failure, Ledger

WINDOW = 64
RENDER_SECONDS = 60.0  # longer, and the document is given up: a letter of a thousand pages takes about 20 s
PAUSE_SECONDS = 1.0
DEATHS = 2  # deaths of the process with one document, after which the document fails

_log = logging.getLogger("uvicorn.error")  # the server's own: one stream of lines


class Renderer:
    """The queue's other end: ``start`` it with the event loop, ``stop`` it before the ledger closes."""

    def __init__(self, ledger: Ledger, data_dir: Path) -> None:
        self._ledger = ledger
        self._data_dir = data_dir
        self._worker = _Worker(data_dir)
        self._wanted = asyncio.Event()
        self._turn = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start with what an earlier run has left waiting."""
        self._task = asyncio.create_task(self._run())

    def wake(self) -> None:
        """Wake the renderer: there is something to render."""
        self._wanted.set()

    async def stop(self) -> None:
        """Stop. What is not rendered yet waits for the next start."""
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._worker.stop()

    async def document(self, batch: Batch) -> Path | None:
        """The PDF of a completed batch, rendered now if it has not been before. None if it cannot be rendered."""
        file = pdf_file(self._data_dir, batch.batch_id)
        if not file.exists() and await self._render(batch.batch_id):
            return None
        return file

    async def _run(self) -> None:
        while True:
            try:
                await self._render_waiting()
            except Exception:  # noqa: BLE001 - the disk is full, say
                _log.exception("rendering goes on in %s s", PAUSE_SECONDS)
                await asyncio.sleep(PAUSE_SECONDS)

    async def _render_waiting(self) -> None:
        self._wanted.clear()
        waiting = self._ledger.waiting(WINDOW)
        for batch_id in waiting:
            failure = await self._render(batch_id)
            if failure:
                self._ledger.failed(batch_id, failure)
            else:
                self._ledger.rendered(batch_id)
        if not waiting:
            await self._wanted.wait()

    async def _render(self, batch_id: int) -> Failure | None:
        async with self._turn:
            return await self._worker.render(batch_id)


class _Worker:
    """The process: an id in, a line out. If it dies or hangs, the next call starts another one."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._process: asyncio.subprocess.Process | None = None

    async def render(self, batch_id: int) -> Failure | None:
        """Render a batch; return None, or the reason why it failed."""
        for _ in range(DEATHS):
            try:
                answer = await asyncio.wait_for(self._ask(batch_id), RENDER_SECONDS)
            except TimeoutError:
                await self.stop()
                return Failure("TIMEOUT_ERROR", f"Rendering took longer than {RENDER_SECONDS:.0f} s.")
            except (ConnectionError, RuntimeError):  # uvloop's word for a pipe whose other end has gone
                answer = b""
            if answer:
                failure = json.loads(answer)
                return Failure(*failure) if failure else None
            await self.stop()
        return Failure("INTERNAL_ERROR", "The renderer died of this document.")

    async def stop(self) -> None:
        """End the process, whatever it does."""
        process, self._process = self._process, None
        if process is not None:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def _ask(self, batch_id: int) -> bytes:
        process = await self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{batch_id}\n".encode())
        await process.stdin.drain()
        return await process.stdout.readline()

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            pipe = asyncio.subprocess.PIPE
            command = [sys.executable, "-m", "include.services.thunderhead.worker", str(self._data_dir)]
            self._process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
        return self._process


def pdf_file(data_dir: Path, batch_id: int) -> Path:
    """Where a batch's PDF is; a thousand in a folder."""
    return data_dir / "documents" / str(batch_id // 1000) / f"{batch_id}.pdf"
