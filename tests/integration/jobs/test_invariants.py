"""Whatever happens, in whatever order: nothing is lost, nothing doubled, every end told once.

Hypothesis makes up the history: requests, runs of both jobs, Thunderhead's answers, workers that die between any two
statements or calls, leases that run out, reruns and clears by Airflow. The invariants hold after every step, and
once the world is well again every request reaches its end.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.oms.base import database
from include.oms.base.settings import Settings
from include.oms.monitoring import worker as monitoring
from include.oms.outside.thunderhead import Thunderhead
from include.oms.processing import worker as processing
from include.oms.testing.outside import cut, problem, raw
from include.oms.testing.postgres import create_database, database_url
from include.oms.testing.system import QUICK, Oms, running
from include.oms.words.model import Job

MAX_ROUNDS_TO_HEAL = 40

answers = st.sampled_from(["ok", "ok", "reject", "unavailable", "cut", "lost", "unreadable"])
fates = st.sampled_from(["COMPLETED", "COMPLETED", "TRANSIENT", "VALIDATION_ERROR", "STOPPED", "PROCESSING"])
steps = st.one_of(
    st.tuples(st.just("queue"), st.integers(1, 3)),
    st.tuples(st.just("process"), st.lists(answers, max_size=4), st.none() | st.integers(0, 12)),
    st.tuples(st.just("generate"), st.lists(fates, min_size=1, max_size=4)),
    st.tuples(st.just("monitor"), st.none() | st.integers(0, 10)),
    st.tuples(st.just("time passes")),
    st.tuples(st.just("workers die")),
    st.tuples(st.just("rerun"), st.integers(0, 50)),
    st.tuples(st.just("clear"), st.integers(0, 50)),
)


class Killed(BaseException):
    """The worker's process is gone."""


class Killer:
    """Kills the worker at the n-th statement or call, before or after its effect."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.countdown: int | None = None
        for target, name in (
            (database, "rows"),
            (database, "execute"),
            (Thunderhead, "submit"),
            (Thunderhead, "find_by_name"),
            (Thunderhead, "find_by_ids"),
        ):
            monkeypatch.setattr(target, name, self._mortal(getattr(target, name)))

    def _mortal(self, function: Callable[..., Any]) -> Callable[..., Any]:
        async def wrapped(*args: Any, **more: Any) -> Any:
            self._tick()
            result = await function(*args, **more)
            self._tick()
            return result

        return wrapped

    def _tick(self) -> None:
        if self.countdown is not None:
            self.countdown -= 1
            if self.countdown < 0:
                raise Killed


class History:
    """One made-up history, and what must hold all along."""

    def __init__(self, oms: Oms, killer: Killer) -> None:
        self.oms, self.killer = oms, killer
        self.generations: Counter[int] = Counter()
        self.jobs: dict[int, Job] = {}
        self.seen: dict[int, Any] = {}

    async def step(self, name: str, *arguments: Any) -> None:
        """One thing happens; then the invariants are looked at."""
        retriggered = name == "clear"
        await getattr(self, "_" + name.replace(" ", "_"))(*arguments)
        await self.check(retriggered)

    async def _queue(self, n: int) -> None:
        await self.oms.queued(n)

    async def _process(self, said: list[str], dies_at: int | None) -> None:
        thunderhead = self.oms.thunderhead
        script = {
            "reject": (thunderhead.submit_answers, problem(422)),
            "unavailable": (thunderhead.submit_answers, problem(429)),
            "cut": (thunderhead.submit_answers, cut),
            "lost": (thunderhead.answers_after_effect, cut),
            "unreadable": (thunderhead.answers_after_effect, raw(202, b"{")),
        }
        for word in said:
            if word in script:
                answers, answer = script[word]
                answers.append(answer)
        await self._run(Job.PROCESSING, dies_at)
        thunderhead.submit_answers.clear()
        thunderhead.answers_after_effect.clear()

    async def _monitor(self, dies_at: int | None) -> None:
        await self._run(Job.MONITORING, dies_at)

    async def _run(self, job: Job, dies_at: int | None) -> None:
        for slice_id in await self.oms.claim(job):
            self.jobs[slice_id] = job
            await self._work(slice_id, dies_at)

    async def _work(self, slice_id: int, dies_at: int | None) -> None:
        """As Airflow runs a mapped task, in a process of its own with connections of its own."""
        work = self.oms.process if self.jobs[slice_id] is Job.PROCESSING else self.oms.poll
        self.killer.countdown = dies_at
        try:
            await work(slice_id, generation=self.generations[slice_id])
        except* Killed:
            await self.oms.connection.close()
            self.oms.connection = await database.connect(self.oms.url, self.oms.settings, application_name="test")
        finally:
            self.killer.countdown = None

    async def _generate(self, fates: list[str]) -> None:
        generating = [batch for batch in self.oms.thunderhead.batches if batch["status"] == "PROCESSING"]
        for batch, fate in zip(generating, fates, strict=False):
            if fate in ("TRANSIENT", "VALIDATION_ERROR"):
                category = "PROCESSING_ERROR" if fate == "TRANSIENT" else fate
                self.oms.thunderhead.end("FAILED", where=batch.__eq__, category=category, description="so")
            else:
                self.oms.thunderhead.end(fate, where=batch.__eq__)

    async def _time_passes(self) -> None:
        await self.oms.due_now()

    async def _workers_die(self) -> None:
        await self.oms.workers_die()

    async def _rerun(self, which: int) -> None:
        if self.jobs:
            await self._work(sorted(self.jobs)[which % len(self.jobs)], None)

    async def _clear(self, which: int) -> None:
        if self.jobs:
            slice_id = sorted(self.jobs)[which % len(self.jobs)]
            self.generations[slice_id] += 1
            await self._work(slice_id, None)

    async def check(self, retriggered: bool) -> None:
        """The invariants."""
        thunderhead = self.oms.thunderhead
        assert thunderhead.doubled() == []
        made = Counter(b["batchName"].split("-")[1] for b in thunderhead.batches if b["status"] == "COMPLETED")
        assert set(made.values()) <= {1}, "one document a request"
        events = await self.oms.rows(
            "SELECT request_id, max(revision) AS top, count(*) AS n FROM final_events GROUP BY 1"
        )
        assert all(event["top"] == event["n"] for event in events)
        ends = {event["request_id"]: event["n"] for event in events}
        for row in await self.oms.rows("SELECT * FROM document_requests"):
            before = self.seen.get(row["request_id"], row)
            assert row["attempts"] >= before["attempts"]
            assert row["revision"] == ends.get(row["request_id"], 0)
            if before["ended_at"] and not retriggered:
                assert (row["status"], row["revision"]) == (before["status"], before["revision"])
            self.seen[row["request_id"]] = row

    async def heal(self) -> None:
        """The world is well again: every request reaches its end."""
        for _ in range(MAX_ROUNDS_TO_HEAL):
            await self.oms.workers_die()
            await self.oms.due_now()
            await self._run(Job.PROCESSING, None)
            self.oms.thunderhead.end("COMPLETED")
            await self.oms.due_now()
            await self._run(Job.MONITORING, None)
            await self.check(retriggered=False)
            if not await self.oms.rows("SELECT FROM document_requests WHERE ended_at IS NULL"):
                return
        raise AssertionError("something never ends")


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(history=st.lists(steps, min_size=6, max_size=25))
def test_nothing_is_lost_and_nothing_doubled(
    postgres_url: str, template_database: str, history: list[tuple[Any, ...]]
) -> None:
    name = f"oms_{uuid4().hex}"
    create_database(postgres_url, name, template=template_database)

    async def live() -> None:
        with pytest.MonkeyPatch.context() as monkeypatch:
            killer = Killer(monkeypatch)
            for job in (processing, monitoring):
                monkeypatch.setattr(job, "MAX_TAKEOVERS", 100)
            url = database_url(postgres_url, name)
            no_real_waiting = Settings(database_url=url, **QUICK | {"settling_seconds": 600})
            async with running(url, no_real_waiting) as oms:
                story = History(oms, killer)
                try:
                    for step in history:
                        await story.step(*step)
                    await story.heal()
                finally:
                    await oms.connection.close()  # it may be a later one

    try:
        asyncio.run(live())
    finally:
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
