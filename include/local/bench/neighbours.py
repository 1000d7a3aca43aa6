"""One polite client beside another client that takes what it can get: how much longer is the polite one's tail?

Beside each: the same machine with processes that only compute, one for each core. That much is the machine's part.
"""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from statistics import median

from include.local.bench.figures import Figure, paired_ratio, spread
from include.local.bench.load import Measured
from include.local.order import Say
from include.local.part import LocalError

ROUNDS = 3
ROUND_SECONDS = 2.0
RISES_SECONDS = 0.5
LARGEST_RATIO, LARGEST_COSTLY_RATIO = 1.5, 2.0  # beside many plain calls; beside few that are as costly as can be
POLITE_CONNECTIONS, POLITE_PAUSE_SECONDS = 4, 0.02
"""The polite client: at most 200 calls a second, which leaves room. One that fills the machine alone would say nothing:
beside a second one, each would wait twice as long on the fairest server."""

BULK_REQUESTS = 500
HEAVY_VALUES = 49_000  # just below what one request may hold

Send = Callable[..., Measured]
"""Runs one round of the load generator: client, connections, seconds, bodies, path, pause_seconds."""


@dataclass(frozen=True)
class Flood:
    """What another client sends, on so many connections, one call after the other on each."""

    what: str
    client: str
    connections: int
    path: str
    bodies: Sequence[str]
    largest_ratio: float


def floods(bodies: Sequence[str], client: str, refused_client: str) -> list[Flood]:
    """All kinds."""
    small = json.loads(bodies[0])
    heavy = json.dumps({**small, "document_name": "IVZRECPA", "document_content": {"values": [[]] * HEAVY_VALUES}})
    pairs = "?metadata=FOOTER_ID:2&metadata=ORG_ID:100"
    return [
        Flood("64 calls in flight", client, 64, "", bodies, LARGEST_RATIO),
        Flood("64 calls in flight, over its quota", refused_client, 64, "", bodies, LARGEST_RATIO),
        Flood(f"8 bulk calls of {BULK_REQUESTS}", client, 8, "/bulk", [bulk_body(bodies)], LARGEST_COSTLY_RATIO),
        Flood(f"8 contents of {HEAVY_VALUES:,} values", client, 8, "", [heavy], LARGEST_COSTLY_RATIO),
        Flood("16 searches by metadata", client, 16, pairs, [], LARGEST_COSTLY_RATIO),
    ]


def bulk_body(bodies: Sequence[str]) -> str:
    """A bulk call of as many requests as one may hold, each like the first body."""
    small = json.loads(bodies[0])
    name = small["request_correlation_id"]
    return json.dumps([{**small, "request_correlation_id": f"{name}-{n}"} for n in range(BULK_REQUESTS)])


def beside_others(send: Send, polite: str, kinds: Sequence[Flood], bodies: Sequence[str], say: Say) -> list[Figure]:
    """The polite client alone, beside processes that compute, and beside each flood, in turn.

    Raises LocalError if the polite client is answered anything but 202.
    """
    neighbours: Mapping[str, Callable[[], AbstractContextManager[None]]] = {
        "processes that compute": _burners,
        **{flood.what: _flooding(send, flood) for flood in kinds},
    }
    alone = list[float]()
    beside: dict[str, list[float]] = {what: [] for what in neighbours}
    for _ in range(ROUNDS):
        alone.append(_polite(send, polite, bodies))
        for what, neighbour in neighbours.items():
            with neighbour():
                time.sleep(RISES_SECONDS)
                beside[what].append(_polite(send, polite, bodies))
        told = ", ".join(f"{what}: {tails[-1]:.0f}" for what, tails in beside.items())
        say(f"  p99 of one client alone: {alone[-1]:.0f} ms; beside {told}")
    largest = {flood.what: flood.largest_ratio for flood in kinds}
    return [_figure(what, tails, alone, largest.get(what)) for what, tails in beside.items()]


def _figure(what: str, tails: Sequence[float], alone: Sequence[float], largest: float | None) -> Figure:
    ratio = paired_ratio(tails, alone)
    each = spread([a / b for a, b in zip(tails, alone, strict=True)])
    return Figure(
        f"p99 beside {what}", f"{median(tails):.0f} ms", f"{median(alone):.0f} ms", f"{ratio:.2f} (rounds: {each})",
        f"at most {largest}" if largest else "", ratio <= largest if largest else None,
    )  # fmt: skip


def _polite(send: Send, client: str, bodies: Sequence[str]) -> float:
    measured = send(client, POLITE_CONNECTIONS, ROUND_SECONDS, bodies, pause_seconds=POLITE_PAUSE_SECONDS)
    if set(measured.statuses) != {"202"}:
        raise LocalError(f"The polite client was not answered 202 alone: {measured.statuses}")
    return measured.p99_ms


def _flooding(send: Send, flood: Flood) -> Callable[[], AbstractContextManager[None]]:
    @contextmanager
    def flooding() -> Iterator[None]:
        seconds = ROUND_SECONDS + 2 * RISES_SECONDS
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(send, flood.client, flood.connections, seconds, flood.bodies, flood.path)
            yield
            running.result()

    return flooding


@contextmanager
def _burners() -> Iterator[None]:
    context = multiprocessing.get_context("spawn")
    burners = [context.Process(target=_compute, daemon=True) for _ in range(multiprocessing.cpu_count())]
    for burner in burners:
        burner.start()
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.join()


def _compute() -> None:
    while True:
        pass
