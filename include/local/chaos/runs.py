"""The client's runs: one for each source system, which all its orders join, and one request more that comes late.

That request is the one that is missing when the client closes the run at first. It is then handed in, and withdrawn.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from include.local.chaos.orders import Order
from include.local.demo.intake_client import PATH
from include.local.part import LocalError

RUNS = "/v1/runs"
CALL_SECONDS, PAUSE_SECONDS = 10, 0.5
PATIENCE_SECONDS = 120.0  # for an answer, while the system comes back


class Runs:
    """Opens the runs, and closes them. ``faults`` has each answer that is not the one to be expected."""

    def __init__(self, url: str, tokens: Mapping[str, str], orders: Iterable[Order], seed: int) -> None:
        """``tokens`` by source system."""
        self.ids: dict[str, int] = {}  # by source system, once they are open
        self.late: list[Order] = []  # the request of each that is missing at first
        self.faults: list[str] = []
        self._url, self._tokens, self._seed = url, tokens, seed
        self._orders: dict[str, list[Order]] = {}
        for order in orders:
            self._orders.setdefault(order.source_system, []).append(order)

    def open(self) -> None:
        """Open all of them. Raises LocalError."""
        for system, orders in self._orders.items():
            run = self._call(system, RUNS, {"name": f"CHAOS-{self._seed}", "expected": len(orders) + 1})
            self.ids[system] = run.json()["run_id"]

    def close(self) -> dict[tuple[str, str], set[int]]:
        """Close all of them, each with one request missing at first; the ids of those requests by key.

        Raises LocalError.
        """
        accepted: dict[tuple[str, str], set[int]] = {}
        for system, run_id in self.ids.items():
            path = f"{RUNS}/{run_id}/close"
            early = self._call(system, path)
            if early.status_code != httpx.codes.CONFLICT or early.json().get("run", {}).get("missing") != 1:
                self.faults.append(f"Run {run_id} was closed with one missing: {early.status_code} {early.text[:300]}")
            order = self._late_order(system)
            request_id = self._call(system, PATH, order.request).json().get("request_id", 0)
            self._call(system, f"{PATH}/{request_id}/cancel")
            self.late.append(order)
            accepted[order.key] = {request_id}
            closed = self._call(system, path)
            if closed.status_code != httpx.codes.OK:
                self.faults.append(f"Run {run_id} could not be closed: {closed.status_code} {closed.text[:300]}")
        return accepted

    def _late_order(self, system: str) -> Order:
        """A request for next month, so that no job claims it before it is withdrawn."""
        changes = {
            "request_correlation_id": f"CHAOS-{self._seed}-WITHDRAWN",
            "not_before": (datetime.now(UTC) + timedelta(days=30)).isoformat(),
            "run_id": self.ids[system],
        }
        return Order(system, self._orders[system][0].request | changes, "STOPPED")

    def _call(self, system: str, path: str, body: Mapping[str, Any] | None = None) -> httpx.Response:
        """POST until there is an answer that tells what became of it. Raises LocalError."""
        headers = {"Authorization": f"Bearer {self._tokens[system]}"}
        deadline = time.monotonic() + PATIENCE_SECONDS
        with httpx.Client(base_url=self._url, timeout=CALL_SECONDS) as client:
            while time.monotonic() < deadline:
                try:
                    answer = client.post(path, json=body, headers=headers)
                except httpx.HTTPError:
                    pass
                else:
                    if not (answer.is_server_error or answer.status_code == httpx.codes.TOO_MANY_REQUESTS):
                        return answer
                time.sleep(PAUSE_SECONDS)
        raise LocalError(f"The intake has not answered POST {path} for {PATIENCE_SECONDS:.0f} s.")
