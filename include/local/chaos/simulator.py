"""Control of the Thunderhead simulator's faults, and its ledger."""

from __future__ import annotations

from typing import Any

import httpx

from include.local.addresses import Addresses
from include.local.part import LocalError

PAGE = 10_000
CALL_SECONDS = 30

# Every fault at once, as often as in the bench's weathers. Permanent refusals (4xx) come only from the requests' own
# fates: a random one could not be told from a request that is blamed for another's fault.
FAULTS: dict[str, Any] = {
    "rendering": False,
    "latency_seconds": 0.02,
    "generation_seconds": 0.5,
    "generation_jitter_seconds": 3,
    "submit_error_rate": 0.10,
    "submit_error_status": [429, 500, 502, 503, 504],
    "read_error_rate": 0.03,
    "error_retry_after_seconds": 1,
    "error_after_effect_rate": 0.1,
    "cut_connection_rate": 0.03,
    "hang_after_effect_rate": 0.02,
    "unreadable_answer_rate": 0.1,
    "late_document_id_rate": 0.05,
    "late_document_id_seconds": 5,
    "rate_limit_per_second": 100,
    "most_in_flight": 8,
    "limit_retry_after_seconds": 2,
    "hostile_answers": {
        "left_out_ids": 0.1,
        "missing_ids": 0.03,
        "huge_ids": 0.03,
        "unknown_status": 0.03,
        "huge_body": 0.005,
        "drip_feed": 0.005,
        "redirect": 0.03,
        "wrong_content_type": 0.03,
        "not_json": 0.03,
        "empty_body": 0.03,
        "other_shape": 0.03,
        "control_characters": 0.2,
    },
}
WELL: dict[str, Any] = {"rendering": False}


class Simulator:
    """Its control plane. Every call raises LocalError where it does not answer."""

    def __init__(self, addresses: Addresses) -> None:
        headers = {"Authorization": f"Bearer {addresses.thunderhead_token}"}
        self._client = httpx.Client(base_url=addresses.thunderhead_url, headers=headers, timeout=CALL_SECONDS)

    def misbehave(self) -> None:
        """All faults on."""
        self._call("PUT", "/control", json=FAULTS)

    def be_out(self, mode: str, seconds: float) -> None:
        """Start an outage of one kind, for some seconds. The other faults stay."""
        self._call("PUT", "/control", json=FAULTS | {"outage": {"mode": mode, "seconds": seconds}})

    def behave(self) -> None:
        """Turn all faults off."""
        self._call("PUT", "/control", json=WELL)

    def batches(self) -> list[dict[str, Any]]:
        """Its ledger: every batch that it ever made, in the contract's form."""
        found: list[dict[str, Any]] = []
        after: int | None = 0
        while after is not None:
            page = self._call("GET", "/control/ledger", params={"after": after, "limit": PAGE}).json()
            found += page["batches"]
            after = page["next"]
        return found

    def _call(self, method: str, path: str, **what: Any) -> httpx.Response:
        try:
            return self._client.request(method, path, **what).raise_for_status()
        except httpx.HTTPError as error:
            raise LocalError(f"The Thunderhead simulator does not answer {method} {path}: {error}") from error
