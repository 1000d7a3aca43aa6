"""The plan of faults: drawn from the seed and placed by progress, so that a seed can be repeated.

Progress is the share of the requests that has been handed in. A fault is injected when progress reaches its point.
Meanwhile the requests up to the next point are handed in, so that every fault meets work.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

# Everything that is injected, once a round.
KINDS = (
    "kill a task's process",
    "kill a task's supervisor",
    "suspend a task",
    "kill the scheduler",
    "kill the scheduler and all its tasks",
    "kill the triggerer",
    "kill the DAG processor",
    "kill the API server",
    "kill the intake",
    "kill a process of the intake",
    "kill the Reference Data API",
    "kill PostgreSQL",
    "restart PostgreSQL",
    "fail PostgreSQL over in silence",
    "kill the broker",
    "freeze the broker",
    "make the topic that is missing",
    "Thunderhead refuses",
    "Thunderhead refuses for some seconds",
    "Thunderhead refuses until a time",
    "Thunderhead hangs",
    "Thunderhead knows nobody",
    "Thunderhead cuts connections",
    "write its token with line ends",
    "the issuer is out, and changes its keys",
    "clear a red task instance",
)
MORE_A_ROUND = {"kill a task's process": 4, "kill a task's supervisor": 4, "clear a red task instance": 3}
REQUESTS_A_ROUND = 5000
FIRST, LAST = 0.02, 0.98  # where in the progress the plan begins and ends
MOST_DELAY_SECONDS = 3.0  # from the point to the injection, so that it can hit any step of the work
HAND_IN_DELAY_SECONDS = 0.2  # the same, to hit a call of the client
HITS_THE_INTAKE = (
    "kill the intake",
    "kill a process of the intake",
    "kill PostgreSQL",
    "restart PostgreSQL",
    "fail PostgreSQL over in silence",
)


@dataclass(frozen=True)
class Injection:
    """One point of the plan."""

    at: float  # progress, 0 to 1
    kind: str
    delay_seconds: float
    chance: float  # 0 to 1: which of several is hit, how long it lasts


def plan(requests: int, seed: int) -> list[Injection]:
    """The injections in their order; more rounds for more requests."""
    chance = Random(f"plan {seed}")  # noqa: S311 - repeatable on purpose
    kinds = [kind for _ in range(max(1, round(requests / REQUESTS_A_ROUND))) for kind in _round()]
    chance.shuffle(kinds)
    places = sorted(chance.uniform(FIRST, LAST) for _ in kinds)
    return [
        Injection(at, kind, chance.uniform(0, _most_delay(kind)), chance.random())
        for at, kind in zip(places, kinds, strict=True)
    ]


def _round() -> list[str]:
    return [kind for kind in KINDS for _ in range(MORE_A_ROUND.get(kind, 1))]


def _most_delay(kind: str) -> float:
    return HAND_IN_DELAY_SECONDS if kind in HITS_THE_INTAKE else MOST_DELAY_SECONDS
