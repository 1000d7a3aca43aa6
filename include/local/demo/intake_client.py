"""The demo as a client of the intake: two source systems, each with its own token."""

from __future__ import annotations

import ssl
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from include.local.demo.sample import Sample
from include.local.part import LocalError

PATH = "/v1/document-requests"
CALL_SECONDS = 10
PAGE = 500


@dataclass(frozen=True)
class Accepted:
    """A request that the intake has stored."""

    request_id: int
    sample: Sample
    at: float  # seconds since the epoch, when its 202 was here


class IntakeClient:
    """A context manager. Every call raises LocalError where the answer is not what the contract says."""

    def __init__(self, url: str, tokens: Mapping[str, str], verify: ssl.SSLContext | bool = True) -> None:
        """``tokens`` by source system; ``verify`` is what is trusted where the URL is one of TLS."""
        self._clients = {
            system: httpx.Client(
                base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=CALL_SECONDS, verify=verify
            )
            for system, token in tokens.items()
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for client in self._clients.values():
            client.close()

    def hand_in(self, sample: Sample) -> Accepted:
        """Ask for one document."""
        answer = self._call(sample.source_system, "POST", PATH, json=sample.request)
        if answer.status_code != httpx.codes.ACCEPTED:
            raise LocalError(f"The intake did not store a request: {answer.status_code} {answer.text[:500]}")
        return Accepted(answer.json()["request_id"], sample, time.time())

    def counts(self, since: str) -> Counter[str]:
        """Requests by status, of both source systems, created since an instant (RFC 3339)."""
        total = Counter[str]()
        for system in self._clients:
            total.update(self._get(system, f"{PATH}/summary", created_from=since)["statuses"])
        return total

    def statuses(self, since: str) -> dict[int, str]:
        """Every request's status, by its id."""
        found: dict[int, str] = {}
        for system in self._clients:
            cursor: dict[str, str] = {}
            while True:
                page = self._get(system, PATH, created_from=since, limit=PAGE, **cursor)
                found.update((item["request_id"], item["status"]) for item in page["items"])
                if not page["next_cursor"]:
                    break
                cursor = {"cursor": page["next_cursor"]}
        return found

    def _get(self, system: str, path: str, **parameters: str | int) -> Any:
        answer = self._call(system, "GET", path, params=parameters)
        if not answer.is_success:
            raise LocalError(f"The intake does not answer {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json()

    def _call(self, system: str, method: str, path: str, **what: Any) -> httpx.Response:
        try:
            return self._clients[system].request(method, path, **what)
        except httpx.HTTPError as error:
            raise LocalError(f"The intake does not answer {method} {path}: {error}") from error
