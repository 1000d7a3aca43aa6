"""The client: hands in every order and repeats calls without an answer until it has one."""

from __future__ import annotations

import ssl
from collections import Counter
from collections.abc import Mapping, Sequence
from math import ceil
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Any, Self

import httpx

from include.local.chaos.orders import Order, Parcel
from include.local.demo.intake_client import PATH
from include.local.part import LocalError

CALL_SECONDS = 10
LOOK_SECONDS = 0.05
PAUSE_SECONDS = 0.5  # before a call is repeated
THREADS = 3
TAKEN = {httpx.codes.OK, httpx.codes.ACCEPTED}


class Sender:
    """A context manager: hands in while its block runs, as much as was released.

    ``accepted`` is the first of the four ledgers.
    """

    def __init__(
        self, url: str, tokens: Mapping[str, str], parcels: Sequence[Parcel], verify: ssl.SSLContext | bool = True,
        run_ids: Mapping[str, int] | None = None,
    ) -> None:  # fmt: skip
        """``tokens`` by source system; ``verify`` is what is trusted where the URL is one of TLS.

        ``run_ids``: the runs that the requests join, by source system; it may be filled before the first release.
        """
        self.accepted: dict[tuple[str, str], set[int]] = {}  # every id the intake gave, by the order's key
        self.refused: list[str] = []
        self.unforeseen: list[str] = []  # answers 500: repeated like others, but the contract has none
        self.counts = Counter[str]()
        self._url, self._verify = url, verify
        self._tokens = tokens
        self._run_ids = {} if run_ids is None else run_ids
        self._parcels = parcels
        self._released = self._taken = self._done = 0  # parcels
        self._stop, self._lock = Event(), Lock()
        self._threads = [Thread(target=self._work, name=f"sender-{n}", daemon=True) for n in range(THREADS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(CALL_SECONDS + PAUSE_SECONDS)

    def release(self, share: float) -> None:
        """Release the parcels up to this share of all, 0 to 1."""
        self._released = max(self._released, ceil(share * len(self._parcels)))

    @property
    def is_through(self) -> bool:
        """Whether every released order is answered. Raises LocalError if the client has ended."""
        works = any(thread.is_alive() for thread in self._threads)  # looked at first: the last one may end meanwhile
        if self._done < self._released and not works:
            raise LocalError("The client has ended before its time: see the traceback above.")
        return self._done >= self._released

    def _work(self) -> None:
        with httpx.Client(base_url=self._url, timeout=CALL_SECONDS, verify=self._verify) as client:
            while parcel := self._next():
                for _ in range(1 + parcel.is_sent_twice):
                    self._hand_in(client, parcel)
                with self._lock:
                    self._done += 1

    def _next(self) -> Parcel | None:
        """The next parcel, once it is released; None where there is no more to do."""
        while not self._stop.is_set() and self._taken < len(self._parcels):
            with self._lock:
                if self._taken < self._released:
                    self._taken += 1
                    return self._parcels[self._taken - 1]
            self._stop.wait(LOOK_SECONDS)
        return None

    def _hand_in(self, client: httpx.Client, parcel: Parcel) -> None:
        """Call until there is an answer that tells what became of each order."""
        while not self._stop.is_set():
            answer = self._call(client, parcel)
            if answer is not None and parcel.is_bulk and answer.status_code == httpx.codes.OK:
                for order, result in zip(parcel.orders, answer.json()["results"], strict=True):
                    self._note(order, result["status"], result["body"])
                return
            if answer is not None and not parcel.is_bulk:
                self._note(parcel.orders[0], answer.status_code, answer.json())
                return
            if answer is not None:
                self.refused.append(f"a bulk call: {answer.status_code} {answer.text[:300]}")
                return
            self._stop.wait(PAUSE_SECONDS)

    def _call(self, client: httpx.Client, parcel: Parcel) -> httpx.Response | None:
        """The answer; None without an answer, or if it asks to call again later."""
        path = f"{PATH}/bulk" if parcel.is_bulk else PATH
        run_id = self._run_ids.get(parcel.orders[0].source_system)
        joins = {} if run_id is None else {"run_id": run_id}
        bodies: list[dict[str, Any]] = [order.request | joins for order in parcel.orders]
        headers = {"Authorization": f"Bearer {self._tokens[parcel.orders[0].source_system]}"}
        try:
            answer = client.post(path, json=bodies if parcel.is_bulk else bodies[0], headers=headers)
        except httpx.HTTPError:
            self._count("calls without an answer, repeated")
            return None
        if answer.is_server_error or answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            self._count(f"calls answered {answer.status_code}, repeated")
            if answer.status_code == httpx.codes.INTERNAL_SERVER_ERROR:
                self.unforeseen.append(f"{answer.headers.get('server')}: {answer.text[:500]}")
            return None
        return answer

    def _note(self, order: Order, status: int, body: dict[str, Any]) -> None:
        if status not in TAKEN:
            self.refused.append(f"{order.key[1]}: {status} {str(body)[:300]}")
            return
        self._count("new" if status == httpx.codes.ACCEPTED else "known already")
        with self._lock:
            self.accepted.setdefault(order.key, set()).add(body["request_id"])

    def _count(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1
