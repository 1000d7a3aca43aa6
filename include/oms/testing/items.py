"""``items``: run a job of the kit without Airflow, against a scripted outside system on a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeAlias
from unittest.mock import patch

import aiohttp
import pytest
from aiohttp import web

from include.oms.base import database
from include.oms.items import work
from include.oms.items.work import ItemJob, claim_items, work_items
from include.oms.outside.door import Door
from include.oms.outside.transport import http_transport
from include.oms.testing.outside import Answer, cut, hang, problem, raw, served
from include.oms.testing.system import Oms

__all__ = ["FakeSystem", "Runs", "RunsOf", "hang", "items", "lost", "problem", "raw"]

lost = cut
"""An answer that never arrives: use it in ``after_effect``."""


@dataclass
class FakeSystem:
    """Keeps every effect (whatever is no GET). Uses each scripted answer once, then answers 200.

    A GET finds the effect whose JSON has the path's last part as its ``name``, and answers 404 where there is none.
    """

    effects: list[dict[str, Any]] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)  # used instead of the effect
    after_effect: list[Answer] = field(default_factory=list)  # used after the effect
    reads: int = 0

    def names(self) -> list[str]:
        """The ``name`` of each effect, sorted: one that is there twice happened twice."""
        return sorted(effect["name"] for effect in self.effects)

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.answer)
        return app

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.method == "GET":
            self.reads += 1
            name = request.path.rpartition("/")[2]
            return web.json_response({}, status=200 if name in self.names() else 404)
        if self.answers:
            return await self.answers.pop(0)(request)
        self.effects.append(await request.json())
        return await self.after_effect.pop(0)(request) if self.after_effect else web.json_response({})


class Runs:
    """The runs of one job."""

    def __init__(self, oms: Oms, job: ItemJob, outside: FakeSystem, new_door: Callable[[], Door]) -> None:
        self.outside = outside
        self._oms, self._job, self._new_door = oms, job, new_door
        self._slices: list[int] = []  # of the last run that claimed any
        self._runs = self._clears = 0

    async def run(self) -> list[str]:
        """One run: claim, and work each slice. Return why requests are red; empty: it is green."""
        self._runs += 1
        self._clears = 0
        claimed = await claim_items(self._oms.connection, self._job, f"run {self._runs}", self._oms.settings)
        if not claimed.slices:
            return []
        self._slices = [each["slice_id"] for each in claimed.slices]
        return await self._work()

    async def clear(self) -> list[str]:
        """Clear the last run's task instances, as an operator does. Return why requests are red."""
        self._clears += 1
        return await self._work()

    async def dies_before_it_records(self) -> None:
        """One run whose workers act and then die."""

        async def dies(*_: object) -> NoReturn:
            raise SystemError("the worker died")

        with patch.object(work._Worker, "_record", dies), pytest.raises(SystemError):
            await self.run()

    async def time_passes(self) -> None:
        """Let an hour pass: leases have run out, back-offs and settling times are over, breakers may be tried."""
        await self._oms.connection.execute(
            """UPDATE job_items SET due_at = due_at - interval '1 h', intent_at = intent_at - interval '1 h',
                                    lease_until = lease_until - interval '1 h'"""
        )
        await self._oms.connection.execute("UPDATE outside_systems SET open_until = NULL")

    async def _work(self) -> list[str]:
        found = []
        for slice_id in self._slices:
            await work_items(
                self._oms.connection, slice_id, self._job, generation=self._clears, map_index=0,
                door=self._new_door(), settings=self._oms.settings,
            )  # fmt: skip
            rows = await database.rows(self._oms.connection, "refused_items", slice_id=slice_id)
            found += [f"request {row['request_id']}: {row['refused_why']}" for row in rows]
        return found


RunsOf: TypeAlias = Callable[[ItemJob], Awaitable[Runs]]


@pytest.fixture
async def items(oms: Oms) -> AsyncIterator[RunsOf]:
    """Make the `Runs` of a job: ``runs = await items(my_job.job())``."""
    async with AsyncExitStack() as stack:

        async def runs_of(job: ItemJob) -> Runs:
            outside = FakeSystem()
            url = await stack.enter_async_context(served(outside.app()))
            session = await stack.enter_async_context(aiohttp.ClientSession())
            connection = await stack.enter_async_context(
                await database.connect(oms.url, oms.settings, application_name="test door")
            )
            await database.execute(oms.connection, "add_outside_systems", systems=[job.system])
            call = http_transport(session, url)
            return Runs(oms, job, outside, lambda: Door(job.system, call, connection, oms.settings))

        yield runs_of
