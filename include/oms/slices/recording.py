"""The result of a try of a request, and how both jobs record it.

Each kind of result is one statement, fenced by the worker's token. A request that the worker no longer holds is
left to its new worker.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from msgspec import Struct

from include.oms.ending.final_status import End, bring_to_end
from include.oms.slices.hold import Hold
from include.oms.words.model import ENDS, Job, Stage, Status
from include.oms.words.state_machine import MOVES, Move, Outcome


class Tried(Struct, frozen=True, kw_only=True):
    """The outcome of one try. ``category`` and ``description`` say why it failed, if it did."""

    stage: Stage
    outcome: Outcome
    category: str | None = None
    description: str | None = None

    @property
    @abstractmethod
    def request_id(self) -> int:
        """The request that was tried."""

    @property
    def move(self) -> Move:
        """The move that the state machine prescribes."""
        return MOVES[self.stage, self.outcome]


async def record_ends(hold: Hold, tried: Sequence[Tried], *, job: Job, lease_token: int | None) -> list[End]:
    """End the requests whose try ends them; return the ends that were written.

    The caller calls ``tell_ends`` after its commit. ``lease_token`` is the token in the request's row: the worker's, or
    None if only its batch is leased.
    """
    ends = [
        End(each.request_id, each.move.status, each.stage, each.category, each.description)
        for each in tried
        if each.move.status in ENDS
    ]
    if not ends:
        return []
    async with hold.lock:
        ended = await bring_to_end(
            hold.connection, ends, from_status=Status.PROCESSING, lease_token=lease_token,
            slice_id=hold.lease.slice_id, actor=job,
        )  # fmt: skip
    hold.report.ended_red += sum(end.status is not Status.COMPLETED for end in ended)
    return ended
