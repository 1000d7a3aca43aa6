"""Bulk operations: one action on all requests of a selection, as a row that is worked in pieces.

A piece is one transaction: its requests, their answers and the operation's progress. A worker that is killed loses
nothing, and the next one goes on where the last piece ended. A pause or stop takes effect before the
next piece. Above ``OMS_BULK_APPROVAL_ABOVE`` requests, another person than the one who asked must approve.

Counting and working use the same query (``select_requests``), so the requests counted are the requests worked.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from time import monotonic
from typing import Any

from psycopg import AsyncConnection
from psycopg.errors import QueryCanceled
from psycopg.rows import DictRow

from include.oms.base import database
from include.oms.ending.final_status import End, bring_to_end
from include.oms.ending.retrigger import retrigger_requests
from include.oms.operators.audit import Door, keep_action
from include.oms.operators.selection import LARGEST_ID, Place, Selected, Selection, State, pages, select_requests
from include.oms.outside.pace import Pace
from include.oms.slices.early_wake import wake_jobs
from include.oms.words.errors import OmsError
from include.oms.words.model import ENDS, RED_ENDS, Category, Stage, Status

COUNTED_A_PAGE = 2000
PIECES_A_SECOND = 5  # few statements, and still an even stream of requests
MOST_A_PIECE = 200
LEASE_SECONDS = 60.0  # a worker that is killed is followed after this time


class Action(StrEnum):
    """What an operation does to each request."""

    RETRIGGER = "retrigger"  # red ends get a new try
    RETRY_NOW = "retry_now"  # what waits for its back-off is due at once
    WITHDRAW = "withdraw"  # what is queued ends STOPPED
    RESOLVE = "resolve"  # red ends need nobody any more
    REOPEN = "reopen"  # resolved ones need a person again
    PUBLISH_AGAIN = "publish_again"  # final events go out once more, with the same ids


PER_SECOND: dict[Action, float] = {
    Action.RETRIGGER: 50, Action.RETRY_NOW: 50, Action.WITHDRAW: 1000, Action.RESOLVE: 1000, Action.REOPEN: 1000,
    Action.PUBLISH_AGAIN: 200,
}  # fmt: skip
"""The rate of each action unless somebody says otherwise: what Thunderhead and clients have to bear is slower."""


class OperationState(StrEnum):
    """Where an operation stands."""

    WAITING = "WAITING"  # for another person's approval
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    DONE = "DONE"
    STOPPED = "STOPPED"  # somebody stopped it; what it had done stays done
    REJECTED = "REJECTED"


class Change(StrEnum):
    """What a person may do to an operation that has not ended."""

    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"


MOVES = {
    Change.PAUSE: ([OperationState.RUNNING], OperationState.PAUSED),
    Change.RESUME: ([OperationState.PAUSED], OperationState.RUNNING),
    Change.STOP: ([OperationState.WAITING, OperationState.RUNNING, OperationState.PAUSED], OperationState.STOPPED),
}


class RequestAnswer(StrEnum):
    """The result for one request."""

    RETRIGGERED = "retriggered"
    DUE_NOW = "due now"
    WITHDRAWN_NOW = "withdrawn"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    PUBLISHED_AGAIN = "published again"
    HEALED = "healed already"  # it is COMPLETED
    NOT_ENDED = "not ended"  # it is still being worked: there is nothing to do
    WITHDRAWN = "withdrawn by its client"
    LEFT_ALONE = "left alone"  # it has moved on, or there was nothing to do
    NOT_SELECTED = "not in the selection"  # its id was given, but another filter of the selection excludes it
    NOT_FOUND = "not found"


DONE_ANSWERS = {
    Action.RETRIGGER: RequestAnswer.RETRIGGERED,
    Action.RETRY_NOW: RequestAnswer.DUE_NOW,
    Action.WITHDRAW: RequestAnswer.WITHDRAWN_NOW,
    Action.RESOLVE: RequestAnswer.RESOLVED,
    Action.REOPEN: RequestAnswer.REOPENED,
    Action.PUBLISH_AGAIN: RequestAnswer.PUBLISHED_AGAIN,
}


class NotAllowed(OmsError):
    """This person may not decide on the operation: the one who asked does not approve."""


class WrongState(OmsError):
    """The operation is not in a state that allows this; ``state`` is None if there is no such operation."""

    def __init__(self, state: str | None) -> None:
        super().__init__(f"the operation is {state}" if state else "there is no such operation")
        self.state = state


@dataclass(frozen=True)
class AnsweredRequest:
    """The answer for one request: its id, or the given correlation id if no request has it."""

    request: str
    answer: RequestAnswer


@dataclass(frozen=True)
class Count:
    """The number of requests in a selection, by (status, stage, category), and the database's time of the count."""

    by_kind: dict[tuple[str, str, str], int]
    counted_at: datetime

    @property
    def total(self) -> int:
        """The number of all requests in the selection."""
        return sum(self.by_kind.values())


@dataclass(frozen=True)
class Leased:
    """An operation in the hands of a worker."""

    operation_id: int
    action: Action
    selection: Selection
    reason: str | None
    actor: str
    door: Door
    per_second: float
    counted: int
    lease_token: int


# -- Asking ------------------------------------------------------------------------------------------


def narrowed(action: Action, selection: Selection) -> Selection | None:
    """The part of a selection that the action can do anything to; None if it is empty for certain."""
    statuses = {
        Action.RETRIGGER: RED_ENDS,
        Action.RESOLVE: RED_ENDS,
        Action.REOPEN: RED_ENDS,
        Action.RETRY_NOW: (Status.QUEUED,),
        Action.WITHDRAW: (Status.QUEUED,),
        Action.PUBLISH_AGAIN: tuple(ENDS),
    }[action]
    kept = tuple(status for status in selection.statuses or statuses if status in statuses)
    changed: dict[str, Any] = {"statuses": kept}
    state = {Action.REOPEN: State.RESOLVED, Action.RETRY_NOW: State.WAITING}.get(action)
    if state and selection.state not in (None, state):
        if selection.state != State.RETRYING:
            return None
        changed["retrying"] = True
    if state:
        changed["state"] = state
    if action in (Action.RETRIGGER, Action.RESOLVE):
        if selection.withdrawn or selection.state == State.RESOLVED:
            return None
        changed |= {"withdrawn": False, "unresolved": True}
    return selection.model_copy(update=changed) if kept else None


async def count_selection(connection: AsyncConnection[DictRow], selection: Selection) -> Count:
    """Count the requests of a selection. Nothing is changed."""
    (clock,) = await database.rows(connection, "database_time")
    kinds: Counter[tuple[str, str, str]] = Counter()
    async for page in pages(connection, ended_before(selection, clock["at"]), page_size=COUNTED_A_PAGE):
        kinds.update((it.status, it.stage, it.category or "no error kept") for it in page)
    return Count(dict(sorted(kinds.items())), clock["at"])


def ended_before(selection: Selection, instant: datetime) -> Selection:
    """The same selection without requests that ended after ``instant``: none can join between count and work.

    A selection of requests that have not ended stays as it is.
    """
    if not selection.statuses or not set(selection.statuses) <= ENDS:
        return selection
    earliest = min(selection.ended_to or instant, instant)
    return selection.model_copy(update={"ended_to": earliest})


async def create_operation(
    connection: AsyncConnection[DictRow],
    action: Action,
    selection: Selection,
    counted: Count,
    *,
    subject: str,
    actor: str,
    door: Door,
    reason: str | None,
    approval_above: int,
    per_second: float | None = None,
    origin: str | None = None,
    approved_by: str | None = None,
) -> int:
    """Store an operation on the counted requests, and return its id. The job ``bulk_operations`` works it.

    It waits for approval if it has more than ``approval_above`` requests and nobody has approved it. ``subject`` is the
    selection in words, without metadata values. ``origin`` names who asks: the same one gets the same operation.
    Raises NotAllowed if the one who asks has approved it.
    """
    if approved_by == actor:
        raise NotAllowed(f"{actor} asked for it: a second person has to approve")
    needs_approval = counted.total > approval_above and approved_by is None
    async with connection.transaction():
        created = await database.rows(
            connection,
            "create_operation",
            action=action,
            selection=ended_before(selection, counted.counted_at).model_dump_json(exclude_defaults=True),
            subject=subject,
            reason=reason,
            actor=actor,
            door=door,
            origin=origin,
            per_second=per_second or PER_SECOND[action],
            counted=counted.total,
            counted_at=counted.counted_at,
            state=OperationState.WAITING if needs_approval else OperationState.RUNNING,
            decided_by=approved_by,
        )
        if not created:
            (known,) = await database.rows(connection, "operation_of_origin", origin=origin)
            return int(known["operation_id"])
        operation_id = int(created[0]["operation_id"])
        await keep_action(
            connection, actor=actor, door=door, action=action, subject=subject, number=counted.total, reason=reason,
            after={"operation_id": operation_id, "per_second": per_second or PER_SECOND[action],
                   "waits_for_approval": needs_approval} | ({"approved_by": approved_by} if approved_by else {}),
        )  # fmt: skip
        await database.rows(connection, "wake_bulk_operations")
    return operation_id


async def decide(
    connection: AsyncConnection[DictRow], operation_id: int, *, approve: bool, actor: str, door: Door
) -> None:
    """Approve or reject an operation that waits for it. Raises NotAllowed to the one who asked, and WrongState."""
    state = OperationState.RUNNING if approve else OperationState.REJECTED
    async with connection.transaction():
        values = {"operation_id": operation_id, "state": state, "actor": actor}
        decided = await database.rows(connection, "decide_operation", **values)
        if not decided:
            now = await operation(connection, operation_id)
            if now and now["state"] == OperationState.WAITING:
                raise NotAllowed(f"{actor} asked for it: a second person has to decide")
            raise WrongState(now["state"] if now else None)
        action = "approve_operation" if approve else "reject_operation"
        await _keep(connection, action, operation_id, decided[0], actor=actor, door=door)
        await database.rows(connection, "wake_bulk_operations")


async def change_operation(
    connection: AsyncConnection[DictRow], operation_id: int, change: Change, *, actor: str, door: Door
) -> None:
    """Pause, resume or stop an operation. Raises WrongState."""
    from_states, state = MOVES[change]
    values = {"operation_id": operation_id, "state": state, "from_states": from_states, "actor": actor}
    async with connection.transaction():
        changed = await database.rows(connection, "change_operation", **values)
        if not changed:
            now = await operation(connection, operation_id)
            raise WrongState(now["state"] if now else None)
        await _keep(connection, f"{change}_operation", operation_id, changed[0], actor=actor, door=door)
        await database.rows(connection, "wake_bulk_operations")


async def _keep(
    connection: AsyncConnection[DictRow], action: str, operation_id: int, row: DictRow, *, actor: str, door: Door
) -> None:
    subject = f"operation {operation_id}: {row['action']} {row['subject']}"
    await keep_action(connection, actor=actor, door=door, action=action, subject=subject, number=row["counted"])


async def operations(
    connection: AsyncConnection[DictRow], *, limit: int, before: int = LARGEST_ID, operation_id: int | None = None
) -> list[DictRow]:
    """A page of operations, newest first: those with ids below ``before``."""
    return await database.rows(connection, "bulk_operations", limit=limit, before=before, operation_id=operation_id)


async def operation(connection: AsyncConnection[DictRow], operation_id: int) -> DictRow | None:
    """One operation; None if there is none."""
    return next(iter(await operations(connection, limit=1, operation_id=operation_id)), None)


# -- Working -----------------------------------------------------------------------------------------


async def lease_operation(connection: AsyncConnection[DictRow], operation_id: int | None = None) -> Leased | None:
    """Take up the oldest operation that nobody works, or this one; None if there is none."""
    values = {"operation_id": operation_id, "lease_seconds": LEASE_SECONDS}
    for row in await database.rows(connection, "lease_operation", **values):
        chosen = {"action": Action(row["action"]), "door": Door(row["door"])}
        return Leased(**row | chosen | {"selection": Selection.model_validate_json(json.dumps(row["selection"]))})
    return None


async def work_operation(
    connection: AsyncConnection[DictRow], leased: Leased, *, max_seconds: float
) -> AsyncIterator[list[AnsweredRequest]]:
    """Work an operation, for ``max_seconds`` at most. Yields the results of each piece when it is committed.

    Ends when all is done, when somebody has paused or stopped it, or when the time is over; then another worker goes
    on.
    At the end of all, yields a result for each request that the selection names by id and that was not worked.
    Raises psycopg.Error; QueryCanceled where even one request takes longer than the statement time-out.
    """
    started_at, pace = monotonic(), Pace(leased.per_second)
    size = min(max(int(leased.per_second / PIECES_A_SECOND), 1), MOST_A_PIECE)
    try:
        while monotonic() - started_at < max_seconds:
            await pace.wait_for(size)
            try:
                piece = await _work_piece(connection, leased, size)
            except QueryCanceled:
                if size == 1:
                    raise
                size //= 2  # a piece that exceeds the statement time-out is tried again with half its requests
                continue
            if piece is None:  # paused, stopped, or another's
                return
            if not piece:
                async for results in _end(connection, leased):
                    yield results
                return
            yield piece
    finally:
        await database.execute(
            connection, "leave_operation", operation_id=leased.operation_id, lease_token=leased.lease_token
        )


async def _work_piece(connection: AsyncConnection[DictRow], leased: Leased, size: int) -> list[AnsweredRequest] | None:
    """Work the next piece; empty if nothing is left, None if this worker may not go on."""
    mine = {"operation_id": leased.operation_id, "lease_token": leased.lease_token}
    async with connection.transaction():
        held = await database.rows(connection, "hold_operation", lease_seconds=LEASE_SECONDS, **mine)
        if not held:
            return None
        limit = min(size, leased.counted - held[0]["worked"])  # never more than were counted
        if limit <= 0:
            return []
        place = Place(request_id=held[0]["next_before"])
        page = await select_requests(connection, leased.selection, limit=limit, place=place)
        if not page:
            return []
        results = await _act(connection, leased, page)
        await database.execute(
            connection, "note_piece", operation_id=leased.operation_id,
            requests=[it.request for it in results], answers=[it.answer for it in results],
            next_before=page[-1].request_id, worked=len(page),
            done=sum(it.answer == DONE_ANSWERS[leased.action] for it in results),
        )  # fmt: skip
        if leased.action in (Action.RETRY_NOW, Action.PUBLISH_AGAIN):
            await wake_jobs(connection)
        return results


async def _act(connection: AsyncConnection[DictRow], leased: Leased, page: list[Selected]) -> list[AnsweredRequest]:
    """Do it to these requests. Look up again those that somebody else was quicker with."""
    ids = [it.request_id for it in page]
    done = set(await act(connection, leased.action, ids, actor=leased.actor, why=leased.reason))
    answer = DONE_ANSWERS[leased.action]
    results = [AnsweredRequest(str(request_id), answer) for request_id in ids if request_id in done]
    if others := [request_id for request_id in ids if request_id not in done]:
        async for now in pages(connection, Selection(request_ids=tuple(others)), page_size=len(others)):
            results += [AnsweredRequest(str(it.request_id), _why_not(leased.action, it)) for it in now]
    return results


async def act(
    connection: AsyncConnection[DictRow], action: Action, request_ids: list[int], *, actor: str, why: str | None
) -> list[int]:
    """Do ``action`` to those of these requests that allow it; return their ids. In the caller's transaction."""
    if action == Action.RETRIGGER:
        return await retrigger_requests(connection, request_ids, actor=actor, why=why)
    if action == Action.WITHDRAW:
        return await _withdraw(connection, request_ids, actor=actor)
    statement = {
        Action.RETRY_NOW: "retry_now",
        Action.RESOLVE: "resolve_requests",
        Action.REOPEN: "reopen_requests",
        Action.PUBLISH_AGAIN: "publish_again",
    }[action]
    rows = await database.rows(connection, statement, request_ids=request_ids, actor=actor, why=why)
    return [row["request_id"] for row in rows]


async def _withdraw(connection: AsyncConnection[DictRow], request_ids: list[int], *, actor: str) -> list[int]:
    locked = await database.rows(connection, "lock_withdrawable", request_ids=request_ids)
    who = "an operator" if actor.startswith("airflow:") else "its client"
    ends = [
        End(row["request_id"], Status.STOPPED, Stage(row["stage"]), Category.CANCELLED, f"withdrawn by {who}")
        for row in locked
    ]
    ended = await bring_to_end(
        connection, ends, from_status=Status.QUEUED, lease_token=None, slice_id=None, actor=actor
    )
    return [end.request_id for end in ended]


async def _end(connection: AsyncConnection[DictRow], leased: Leased) -> AsyncIterator[list[AnsweredRequest]]:
    """Answer for what was named and not worked, then end the operation."""
    mine = {"operation_id": leased.operation_id, "lease_token": leased.lease_token}
    async for results in _left_alone(connection, leased):
        if not results:
            continue
        requests = [it.request for it in results]
        async with connection.transaction():
            if not await database.rows(connection, "hold_operation", lease_seconds=LEASE_SECONDS, **mine):
                return
            await database.execute(
                connection, "note_piece", operation_id=leased.operation_id, requests=requests,
                answers=[it.answer for it in results], next_before=0, worked=0, done=0,
            )  # fmt: skip
        yield results
    async with connection.transaction():
        for row in await database.rows(connection, "end_operation", **mine):
            await keep_action(
                connection, actor=row["actor"], door=row["door"], action="end_operation", number=row["done"],
                subject=f"operation {leased.operation_id}: {row['action']} {row['subject']}", reason=row["reason"],
                after={"counted": row["counted"], "worked": row["worked"], "done": row["done"]},
            )  # fmt: skip


async def _left_alone(connection: AsyncConnection[DictRow], leased: Leased) -> AsyncIterator[list[AnsweredRequest]]:
    """The reason for each request that was named by id and was not worked."""
    selection = leased.selection
    named = Selection(
        request_ids=selection.request_ids,
        correlation_ids=selection.correlation_ids,
        source_system=selection.source_system if selection.correlation_ids else None,
    )
    if named.request_ids is None and named.correlation_ids is None:
        return
    found: set[int | str] = set()
    async for page in pages(connection, named, page_size=COUNTED_A_PAGE):
        found.update(it.request_id if named.request_ids else it.request_correlation_id for it in page)
        ids = [str(it.request_id) for it in page]
        rows = await database.rows(connection, "answered_of", operation_id=leased.operation_id, requests=ids)
        answered = {row["request"] for row in rows}
        yield [
            AnsweredRequest(str(it.request_id), _why_not(leased.action, it))
            for it in page
            if str(it.request_id) not in answered
        ]
    asked: Iterable[int | str] = named.request_ids or named.correlation_ids or ()
    yield [AnsweredRequest(str(it), RequestAnswer.NOT_FOUND) for it in dict.fromkeys(asked) if it not in found]


def _why_not(action: Action, it: Selected) -> RequestAnswer:
    if action not in (Action.RETRIGGER, Action.RESOLVE):
        return RequestAnswer.LEFT_ALONE
    if it.status == Status.COMPLETED:
        return RequestAnswer.HEALED
    if it.status not in ENDS:
        return RequestAnswer.NOT_ENDED
    if it.status == Status.STOPPED and it.category == Category.CANCELLED:
        return RequestAnswer.WITHDRAWN
    return RequestAnswer.NOT_SELECTED


async def operations_are_due(connection: AsyncConnection[DictRow], interval_seconds: float) -> AsyncIterator[None]:
    """Yield whenever an operation waits for a worker; one that goes on waiting, once in ``interval_seconds``.

    Raises psycopg.Error where the connection is lost.
    """
    await connection.execute("LISTEN oms_bulk")
    while True:
        (row,) = await database.rows(connection, "operations_are_due")
        if row["are_due"]:
            yield
        async for _ in connection.notifies(timeout=interval_seconds, stop_after=1):
            break
