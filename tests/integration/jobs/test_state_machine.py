"""Every statement that moves a request, run on a request at every place, beside the tables of the state machine.

A request at a place that the table does not name stays where it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from include.oms.base.queries import load
from include.oms.ending.retrigger import retrigger_requests
from include.oms.testing.made import batch
from include.oms.testing.system import Oms
from include.oms.words.model import ENDS, RED_ENDS, BatchStatus, Job, Stage, Status
from include.oms.words.state_machine import ACCEPTED, MOVES, RETRIGGERS, STEPS, Move, Outcome, Place, Step

TOKEN = 4711  # of the worker that holds what is in hand
IN_HAND = [Place(Status.PROCESSING, stage) for stage in (Stage.ENRICHMENT, Stage.SUBMISSION, Stage.GENERATION)]
AT_THUNDERHEAD = Place(Status.PROCESSING, Stage.GENERATION)
OTHERS = [
    *(Place(Status.QUEUED, stage) for stage in (Stage.ENRICHMENT, Stage.SUBMISSION, Stage.GENERATION)),
    *(Place(status, stage) for status in RED_ENDS for stage in Stage),
    Place(Status.COMPLETED, Stage.GENERATION),
]
PUT_BACKS = [
    key
    for key, move in MOVES.items()
    if move.status is Status.QUEUED and key[0] in (Stage.ENRICHMENT, Stage.SUBMISSION)
]
ENDINGS = [key for key, move in MOVES.items() if move.status in ENDS]


class World:
    """A request at each place; those in hand under one lease, the one at Thunderhead in nobody's hand."""

    def __init__(self, oms: Oms) -> None:
        self.oms = oms
        self.places: dict[int, Place] = {}
        self.slice_id = 0

    async def fill(self) -> None:
        """Make them."""
        (row,) = await self.oms.rows(
            "INSERT INTO slices (job, dag_run_id, ordinal, label, size, opened_at, lease_token)"
            " VALUES ('document_processing', 'earlier', 0, 'x', 1, now(), %s) RETURNING slice_id",
            TOKEN,
        )
        self.slice_id = row["slice_id"]
        for place in IN_HAND:
            await self._add(place, slice_id=self.slice_id, lease_token=TOKEN, lease_until="2999-01-01")
        at_thunderhead = await self._add(AT_THUNDERHEAD)
        await batch(
            self.oms,
            at_thunderhead,
            BatchStatus.PROCESSING_THUNDERHEAD,
            thunderhead_batch_id=1,
            next_poll_at="2999-01-01",
        )
        for place in OTHERS:
            ended = {"ended_at": "2026-01-01", "revision": 1} if place.status in ENDS else {}
            request_id = await self._add(place, **ended)
            if place.stage is Stage.MONITORING:
                await batch(self.oms, request_id, BatchStatus.FAILED, thunderhead_batch_id=2)

    async def _add(self, place: Place, **columns: Any) -> int:
        at = "2026-01-01"  # long due
        (request_id,) = await self.oms.queued(status=place.status, stage=place.stage, due_at=at, **columns)
        self.places[request_id] = place
        return request_id

    @property
    def ids(self) -> list[int]:
        return list(self.places)

    def in_hand(self) -> list[int]:
        return self.ids[: len(IN_HAND)]

    def at_thunderhead(self) -> int:
        return self.ids[len(IN_HAND)]


@pytest.fixture
async def world(oms: Oms) -> World:
    world = World(oms)
    await world.fill()
    return world


async def expect(world: World, table: Mapping[Place, Place], among: list[int] | None = None) -> None:
    """Each request of ``among`` (all of them, where it is not given) stands where the table says, the others where they
    stood."""
    chosen = set(world.ids if among is None else among)
    rows = await world.oms.rows("SELECT request_id, status, stage FROM document_requests")
    now = {row["request_id"]: Place(Status(row["status"]), Stage(row["stage"])) for row in rows}
    expected = {
        request_id: table.get(place, place) if request_id in chosen else place
        for request_id, place in world.places.items()
    }
    assert {id_: now[id_] for id_ in world.ids} == expected


async def run(world: World, name: str, **values: Any) -> list[Any]:
    """The statement itself, as the worker that holds what is in hand."""
    given = {"slice_id": world.slice_id, "lease_token": TOKEN, "lease_seconds": 60, **values}
    cursor = await world.oms.connection.execute(load("include.oms")[name], given)
    return await cursor.fetchall() if cursor.description else []


async def test_accept_requests(world: World) -> None:
    sent = {
        "request_correlation_id": "new", "content_hash": "", "document_type": "POLICY", "document_name": "POSHOOFF",
        "document_language": "EN", "source_environment": "DEV", "priority": "NORMAL", "not_before": None,
        "content": {}, "metadata": [], "source_system": "CIBT", "client_subject": "x", "origin_user": None,
        "traceparent": None, "actor": "client:x",
    }  # fmt: skip
    (accepted,) = await run(world, "accept_requests", requests=json.dumps([sent]))
    row = await world.oms.request(accepted["request_id"])
    assert (row["status"], row["stage"]) == ACCEPTED
    await expect(world, {})


async def test_claim_requests(world: World) -> None:
    await world.oms.claim(Job.PROCESSING)
    await expect(world, STEPS[Step.CLAIMED])


async def test_claim_requests_of_dead_workers(world: World) -> None:
    await world.oms.workers_die()
    await world.oms.claim(Job.PROCESSING)
    await expect(world, STEPS[Step.CLAIMED] | STEPS[Step.TAKEN_OVER])
    held = await world.oms.rows("SELECT request_id FROM document_requests WHERE lease_until > now()")
    assert set(world.in_hand()) < {row["request_id"] for row in held}


async def test_hold_requests(world: World) -> None:
    await run(world, "hold_requests", request_ids=world.ids)
    await expect(world, STEPS[Step.CLAIMED])


async def test_write_intents(world: World) -> None:
    n = len(world.ids)
    await run(
        world, "write_intents", request_ids=world.ids, config_ids=["1"] * n, topics=[None] * n, xmls=["<a/>"] * n,
        prefix="OMS",
    )  # fmt: skip
    await expect(world, STEPS[Step.INTENT_WRITTEN], world.in_hand())


async def test_record_submissions(world: World) -> None:
    n = len(world.ids)
    await run(
        world, "record_submissions", request_ids=world.ids, batch_ids=list(range(n)), adopted=[False] * n,
        first_poll_seconds=1,
    )  # fmt: skip
    place = MOVES[Stage.SUBMISSION, Outcome.SUBMITTED].place
    await expect(world, dict.fromkeys(IN_HAND, place), world.in_hand())


@pytest.mark.parametrize(("stage", "outcome"), PUT_BACKS)
async def test_put_back_requests(world: World, stage: Stage, outcome: Outcome) -> None:
    n, move = len(world.ids), MOVES[stage, outcome]
    await run(
        world, "put_back_requests", request_ids=world.ids, stages=[move.stage] * n, wait_seconds=[1.0] * n,
        spends=[move.spends_attempt] * n, in_doubt=[None] * n, kept=[False] * n,
        categories=[None] * n, descriptions=[None] * n, submits_for_free=0,
    )  # fmt: skip
    await expect(world, dict.fromkeys(IN_HAND, move.place), world.in_hand())
    await expect_spent(world, move, world.in_hand())


@pytest.mark.parametrize(("stage", "outcome"), ENDINGS)
async def test_end_requests(world: World, stage: Stage, outcome: Outcome) -> None:
    n, move = len(world.ids), MOVES[stage, outcome]
    is_in_hand = stage in (Stage.ENRICHMENT, Stage.SUBMISSION)
    await run(
        world, "end_requests", request_ids=world.ids, from_status=Status.PROCESSING,
        lease_token=TOKEN if is_in_hand else None, statuses=[move.status] * n, stages=[move.stage] * n,
        categories=[None] * n, descriptions=[None] * n, actor="x",
    )  # fmt: skip
    among = world.in_hand() if is_in_hand else [world.at_thunderhead()]
    await expect(world, dict.fromkeys(IN_HAND, move.place), among)


async def test_end_requests_that_are_withdrawn(world: World) -> None:
    for request_id in world.ids:
        (found,) = await run(world, "look_before_cancel", request_id=request_id)
        if found["can_be_cancelled"]:
            await run(
                world, "end_requests", request_ids=[request_id], from_status=Status.QUEUED, lease_token=None,
                statuses=[Status.STOPPED], stages=[found["stage"]], categories=["CANCELLED"], descriptions=["x"],
                slice_id=None, actor="x",
            )  # fmt: skip
    await expect(world, STEPS[Step.WITHDRAWN])


async def test_requeue_failed_generations(world: World) -> None:
    n, move = len(world.ids), MOVES[Stage.GENERATION, Outcome.FAILED_TRANSIENT]
    await run(
        world, "requeue_failed_generations", request_ids=world.ids, wait_seconds=[1.0] * n, categories=["X"] * n,
        descriptions=["x"] * n,
    )  # fmt: skip
    await expect(world, {AT_THUNDERHEAD: move.place}, [world.at_thunderhead()])
    await expect_spent(world, move, [world.at_thunderhead()])


async def test_retrigger_requests(world: World) -> None:
    await retrigger_requests(world.oms.connection, world.ids, actor="x")
    await expect(world, {Place(end, stage): RETRIGGERS[stage].place for end in RED_ENDS for stage in Stage})


async def test_adopt_found_batches(world: World) -> None:
    found = [row["request_id"] for row in await run(world, "requests_to_look_up", after=0, limit=1000)]
    await run(world, "forget_open_batches", request_ids=found)
    await run(
        world, "adopt_found_batches", request_ids=found, attempts=[2] * len(found),
        names=[f"OMS-{request_id}-2" for request_id in found], batch_ids=list(range(100, 100 + len(found))),
    )  # fmt: skip
    await expect(world, STEPS[Step.ADOPTED])


async def expect_spent(world: World, move: Move, among: list[int]) -> None:
    """Each of ``among`` has spent an attempt where the move says so, and nobody else has."""
    spent = {
        row["request_id"] for row in await world.oms.rows("SELECT request_id FROM document_requests WHERE spent > 0")
    }
    assert spent == (set(among) if move.spends_attempt else set())


def test_no_statement_that_moves_a_request_is_left_out() -> None:
    movers = {
        name
        for name, text in load("include.oms").items()
        if re.search(r"INSERT INTO document_requests\b", text)
        or any(
            re.search(r"\b(status|stage)\s*=", setting)
            for setting in re.findall(r"UPDATE document_requests\b.*?\bSET\b(.*?)\b(?:WHERE|FROM)\b", text, re.DOTALL)
        )
    }
    tests = [name.removeprefix("test_") for name in globals() if name.startswith("test_")]
    assert {name for name in movers if not any(test.startswith(name) for test in tests)} == set()

    assert len(movers) == 10
