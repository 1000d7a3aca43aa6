"""Quotas: what two processes of the intake store is held against one sum."""

import json
from typing import Any

import pytest

from include.oms.intake.checking import NewRequest
from include.oms.intake.quotas import BYTES, HOUR_SECONDS, LOOKS_A_SECOND, OPEN, REQUESTS, Quotas
from include.oms.intake.reference_data import Limits
from include.oms.intake.refusals import DatabaseOutOfReach
from include.oms.intake.shape import SentRequest, read_shape

HOUR = 500_000 * HOUR_SECONDS


class Shared:
    """The database of both processes, and the clock."""

    def __init__(self) -> None:
        self.now = HOUR + 600.0
        self.used: dict[str, list[int]] = {}
        self.open_requests = 0
        self.is_up = True

    def rows(self, name: str, /, **values: Any) -> list[dict[str, Any]]:
        if not self.is_up:
            raise DatabaseOutOfReach("gone")
        answer = []
        figures = zip(values["source_systems"], values["hours"], values["requests"], values["bytes"], strict=True)
        for source_system, hour, requests, size in figures:
            used = self.used.setdefault(source_system, [hour, 0, 0])
            if used[0] < hour:
                used[:] = hour, 0, 0
            used[1] += requests
            used[2] += size
            answer.append(
                {
                    "source_system": source_system,
                    "hour": used[0],
                    "requests": used[1],
                    "bytes": used[2],
                    "open_requests": self.open_requests,
                }
            )
        return answer


@pytest.fixture(autouse=True)
def no_timers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests exchange by themselves."""
    monkeypatch.setattr(Quotas, "_exchange_soon", lambda _self: None)


@pytest.fixture
def shared() -> Shared:
    return Shared()


def process(shared: Shared, limits: Limits | None = None) -> Quotas:
    defaults = Limits(most_open_requests=100, most_requests_an_hour=10, most_bytes_an_hour=1000)
    return Quotas(shared, lambda _: limits, defaults, clock=lambda: shared.now)


def requests(number: int) -> list[NewRequest]:
    """Each has 11 bytes of content."""
    document = {
        "document_type": "INVOICE",
        "document_name": "A",
        "document_language": "EN",
        "source_environment": "DEV",
        "request_correlation_id": "1",
        "document_content": {"a": "123"},
    }
    sent = read_shape(json.dumps(document, separators=(",", ":")).encode(), document)
    assert isinstance(sent, SentRequest)
    return [NewRequest(sent, None, b"")] * number


def refused(quotas: Quotas, number: int = 1, source_system: str = "CIBT") -> tuple[str, int, int] | None:
    found = quotas.refusal(source_system, requests(number))
    return (found.quota, found.limit, found.used) if found else None


def test_a_quota_is_used_up_to_its_limit_and_no_further(shared: Shared) -> None:
    quotas = process(shared)
    assert refused(quotas, 11) == (REQUESTS, 10, 0)
    assert refused(quotas, 10) is None
    quotas.count("CIBT", requests(10))
    assert refused(quotas) == (REQUESTS, 10, 10)
    assert refused(quotas, source_system="ARCADE") is None


def test_with_nothing_left_a_few_calls_a_second_are_looked_at_for_replays(shared: Shared) -> None:
    quotas = process(shared)
    assert quotas.exhausted("CIBT") is None  # nothing is known of it yet
    assert refused(quotas, 10) is None
    quotas.count("CIBT", requests(9))
    assert [quotas.exhausted("CIBT") for _ in range(2 * LOOKS_A_SECOND)] == [None] * 2 * LOOKS_A_SECOND
    quotas.count("CIBT", requests(1))
    for _ in range(2):
        turned_away = [it for it in (quotas.exhausted("CIBT") for _ in range(LOOKS_A_SECOND + 5)) if it]
        assert [(it.quota, it.limit, it.used) for it in turned_away] == [(REQUESTS, 10, 10)] * 5
        shared.now += 1
    shared.now += HOUR_SECONDS
    assert [quotas.exhausted("CIBT") for _ in range(2 * LOOKS_A_SECOND)] == [None] * 2 * LOOKS_A_SECOND


def test_what_another_process_stored_counts_after_an_exchange(shared: Shared) -> None:
    one, other = process(shared), process(shared)
    assert (refused(one), refused(other)) == (None, None)
    one.count("CIBT", requests(6))
    other.count("CIBT", requests(3))
    one.exchange()
    other.count("CIBT", requests(1))
    other.exchange()
    assert refused(other) == (REQUESTS, 10, 10)
    assert refused(one) is None  # it does not know of all yet
    one.exchange()
    assert refused(one) == (REQUESTS, 10, 10)
    assert shared.used["CIBT"][1:] == [10, 110]  # nothing was counted twice


def test_what_is_stored_during_an_exchange_is_neither_lost_nor_counted_twice(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    quotas = process(shared)
    assert refused(quotas) is None
    quotas.count("CIBT", requests(2))
    answer = shared.rows

    def meanwhile(name: str, /, **values: Any) -> list[dict[str, Any]]:
        quotas.count("CIBT", requests(3))
        return answer(name, **values)

    with monkeypatch.context() as patch:
        patch.setattr(shared, "rows", meanwhile)
        quotas.exchange()
    assert refused(quotas, 6) == (REQUESTS, 10, 5)
    quotas.exchange()
    assert shared.used["CIBT"][1] == 5


def test_a_new_hour_begins_anew_and_retry_after_leads_there(shared: Shared) -> None:
    quotas = process(shared)
    quotas.count("CIBT", requests(10))
    found = quotas.refusal("CIBT", requests(1))
    assert found
    shared.now += found.retry_after_seconds
    assert found.retry_after_seconds <= HOUR_SECONDS
    assert refused(quotas) is None


def test_bytes_and_open_requests_have_quotas_of_their_own(shared: Shared) -> None:
    shared.open_requests = 99
    quotas = process(shared, Limits(most_open_requests=100, most_requests_an_hour=1000, most_bytes_an_hour=15))
    assert refused(quotas, 2) == (OPEN, 100, 99)
    assert refused(quotas) is None
    quotas.count("CIBT", requests(1))
    assert refused(quotas) == (OPEN, 100, 100)
    shared.open_requests = 0
    shared.now += 10
    quotas.exchange()
    assert refused(quotas) == (BYTES, 15, 11)


def test_an_outage_of_the_database_forgets_nothing(shared: Shared) -> None:
    quotas = process(shared)
    quotas.count("CIBT", requests(4))
    shared.is_up = False
    with pytest.raises(DatabaseOutOfReach):
        quotas.exchange()
    shared.is_up = True
    quotas.exchange()
    assert shared.used["CIBT"][1] == 4


def test_the_headers_tell_the_quotas_and_what_is_left(shared: Shared) -> None:
    quotas = process(shared)
    assert quotas.headers("CIBT") == {}
    quotas.count("CIBT", requests(3))
    assert quotas.headers("CIBT") == {
        "RateLimit-Policy": '"open-requests";q=100, "requests-an-hour";q=10;w=3600, '
        '"bytes-an-hour";q=1000;qu="content-bytes";w=3600',
        "RateLimit": '"open-requests";r=97, "requests-an-hour";r=7;t=3000, "bytes-an-hour";r=967;t=3000',
    }
