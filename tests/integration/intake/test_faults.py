"""PostgreSQL and the intake are killed again and again under load: nothing is lost, and nobody is told nonsense."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import psycopg
import pytest

from include.oms.testing.kafka import free_port
from include.oms.words.problems import PROBLEMS
from oms_intake.settings import IntakeSettings
from tests.integration.intake.conftest import ReferenceDataServer, a_request
from tests.integration.intake.faults import Postgres, SupervisedIntake

PATH = "/v1/document-requests"
CLIENTS = 16
ROUNDS = 2
BETWEEN_FAULTS_SECONDS = 0.4
DOWN_SECONDS = 0.3
BY_CONTRACT = {200, 202, 404, 409, 429, 503}  # 429: as many calls of one source system are in flight as may be


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    server = Postgres()
    yield server
    server.remove()


@pytest.fixture
def supervised(
    postgres: Postgres, reference_data: ReferenceDataServer, private_key_file: Path
) -> Iterator[SupervisedIntake]:
    settings = IntakeSettings(
        database_url=postgres.url,
        reference_data_url=reference_data.url,
        jwt_public_key_file=private_key_file.with_name("jwt-public.pem"),
        intake_port=free_port(),
        intake_pool_timeout_seconds=1,
        intake_statement_timeout_seconds=2,
    )
    intake = SupervisedIntake(settings)
    yield intake
    intake.stop()


class Client:
    """Calls and calls; keeps what it was promised, and what it got no answer to."""

    def __init__(self, url: str, token: str, number: int) -> None:
        self.promised: dict[str, int] = {}  # request ids, by correlation id
        self.doubtful: list[str] = []
        self.statuses = Counter[int | str]()
        self.nonsense: list[str] = []  # answers that the contract does not have
        self._http = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=40
        )
        self._dice = random.Random(number)
        self._names = (f"F-{number}-{n}" for n in count())

    def work(self, stop: Event) -> None:
        """Until told to stop."""
        calls = (self._post, self._post, self._post, self._bulk, self._read, self._read, self._cancel)
        while not stop.is_set():
            self._dice.choice(calls)()

    def hand_in_again(self) -> None:
        """What is in doubt: is there already, or is taken now."""
        for name in self.doubtful:
            answer = self._call("POST", PATH, json=a_request(name))
            assert answer is not None
            self.promised[name] = answer.json()["request_id"]

    def close(self) -> None:
        self._http.close()

    def _post(self) -> None:
        name = next(self._names)
        self.doubtful.append(name)
        self._note([name], self._call("POST", PATH, json=a_request(name)))

    def _bulk(self) -> None:
        names = [next(self._names) for _ in range(5)]
        self.doubtful += names
        self._note(names, self._call("POST", f"{PATH}/bulk", json=[a_request(name) for name in names]))

    def _note(self, names: list[str], answer: httpx.Response | None) -> None:
        if answer is None or answer.is_error:
            return
        told = answer.json()
        bodies = [result["body"] for result in told["results"]] if "results" in told else [told]
        for name, body in zip(names, bodies, strict=True):
            self.promised[name] = body["request_id"]
            self.doubtful.remove(name)

    def _read(self) -> None:
        known = self._dice.choice([*self.promised.values(), 999_999_999])
        self._call("GET", self._dice.choice([
            PATH, f"{PATH}/summary", f"{PATH}/{known}", f"{PATH}/{known}/timeline", f"{PATH}/{known}/content",
            f"{PATH}?metadata=INVOICE_ID:490634&limit=5",
        ]))  # fmt: skip

    def _cancel(self) -> None:
        self._call("POST", f"{PATH}/{self._dice.choice([*self.promised.values(), 999_999_999])}/cancel")

    def _call(self, method: str, path: str, **what: Any) -> httpx.Response | None:
        """The answer; None where the connection broke."""
        try:
            answer = self._http.request(method, path, **what)
        except httpx.TransportError as error:
            self.statuses[type(error).__name__] += 1
            if isinstance(error, httpx.TimeoutException):
                self.nonsense.append(f"{method} {path}: no answer at all")
            time.sleep(0.05)  # the server is away; to ask a thousand times a second tells nothing more
            return None
        self.statuses[answer.status_code] += 1
        if not is_by_contract(answer):
            self.nonsense.append(f"{method} {path}: {answer.status_code} {answer.headers} {answer.text[:500]}")
        return answer


def is_by_contract(answer: httpx.Response) -> bool:
    if answer.is_success:
        return answer.status_code in BY_CONTRACT
    told = answer.json()
    problem = PROBLEMS.get(told["type"].removeprefix("/problems/"))
    is_problem = answer.headers["Content-Type"] == "application/problem+json" and problem is not None
    has_wait = answer.status_code not in (429, 503) or int(answer.headers["Retry-After"]) > 0
    return is_problem and has_wait and answer.status_code in BY_CONTRACT


def faults(postgres: Postgres, intake: SupervisedIntake) -> list[Callable[[], None]]:
    def away(part: Postgres | SupervisedIntake, end: Callable[[], None]) -> Callable[[], None]:
        def fault() -> None:
            end()
            time.sleep(DOWN_SECONDS)
            part.start()
            part.wait_until_ready()

        return fault

    def crash() -> None:
        postgres.crash()
        postgres.wait_until_ready()

    return [
        away(postgres, postgres.kill),
        away(postgres, postgres.shut_down),
        crash,
        postgres.end_sessions,
        away(intake, intake.kill),
        away(intake, intake.stop),
        lambda: intake.signal_worker(signal.SIGKILL),
        lambda: intake.signal_worker(signal.SIGTERM),
    ]


def test_nothing_is_lost_and_nobody_is_told_nonsense(
    postgres: Postgres, supervised: SupervisedIntake, token: Callable[..., str]
) -> None:
    clients = [Client(supervised.url, token(), number) for number in range(CLIENTS)]
    stop = Event()
    threads = [Thread(target=client.work, args=(stop,)) for client in clients]
    for thread in threads:
        thread.start()
    try:
        for number in range(ROUNDS):
            chosen = faults(postgres, supervised)
            random.Random(number).shuffle(chosen)
            for fault in chosen:
                fault()
                time.sleep(BETWEEN_FAULTS_SECONDS)  # the clients are at work
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    for client in clients:
        client.hand_in_again()
        client.close()
    statuses = sum((client.statuses for client in clients), Counter[int | str]())
    print(dict(statuses))
    assert [line for client in clients for line in client.nonsense] == []
    assert not [line for line in supervised.log if "unforeseen_error" in line]
    assert {200, 202, 503} < set(statuses)
    with psycopg.connect(postgres.url) as connection:
        stored = connection.execute("SELECT request_correlation_id, request_id FROM document_requests").fetchall()
        assert dict(stored) == {name: id for client in clients for name, id in client.promised.items()}
        for table in ("request_payloads", "request_timeline WHERE event = 'ACCEPTED'"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (len(stored),)
