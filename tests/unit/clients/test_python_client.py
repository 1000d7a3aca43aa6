"""clients/python has the types of the contract, and its consumer handles each end once."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_type_hints, is_typeddict

import pytest

import include
from include.local.settings import ROOT
from include.oms.intake.contract import contract
from oms_client import Ends, model, news
from oms_intake.openapi import openapi

SCHEMAS = openapi(lambda _: (), datetime.now(UTC))["components"]["schemas"]
EVENT = json.loads((Path(include.__path__[0]) / "contracts/final-status-event.schema.json").read_text())
OF_EVENT = {
    "FinalEvent": EVENT,
    "FinalStatus": EVENT["properties"]["data"],
    "EventError": EVENT["properties"]["data"]["properties"]["errors"]["items"],
}
INNER = {
    "Pair": SCHEMAS["NewDocumentRequest"]["properties"]["document_metadata"]["items"],
    "BulkResult": SCHEMAS["BulkAnswer"]["properties"]["results"]["items"],
    "TimelineEntry": SCHEMAS["Timeline"]["properties"]["items"]["items"],
}
TYPES = [name for name, it in vars(model).items() if is_typeddict(it) and name != "Filter"]
LITERALS = {
    ("NewDocumentRequest", "source_environment"): ("DEV", "SIT", "UAT", "PROD"),
    ("NewDocumentRequest", "priority"): ("HIGH", "NORMAL", "LOW"),
}


@pytest.mark.parametrize("name", TYPES)
def test_each_type_is_that_of_the_contract(name: str) -> None:
    schema, own = {**SCHEMAS, **OF_EVENT, **INNER}[name], getattr(model, name)
    assert own.__annotations__.keys() == schema["properties"].keys()
    assert own.__required_keys__ == set(schema["required"])


def test_each_status_is_that_of_the_contract() -> None:
    assert list(model.Status.__args__) == SCHEMAS["Status"]["enum"]  # type: ignore[attr-defined]
    assert set(model.End.__args__) == set(OF_EVENT["FinalStatus"]["properties"]["status"]["enum"])  # type: ignore[attr-defined]
    for (name, member), values in LITERALS.items():
        assert get_type_hints(getattr(model, name))[member].__args__ == values
        assert SCHEMAS[name]["properties"][member]["enum"] == list(values)


def test_the_filter_is_that_of_the_search() -> None:
    named = {it["name"] for it in contract()["paths"]["/v1/document-requests"]["get"]["parameters"]}
    assert model.Filter.__annotations__.keys() == named - {"limit", "cursor"}
    withdrawn = {it["name"] for it in contract()["paths"]["/v1/document-requests/cancel"]["post"]["parameters"]}
    assert model.Filter.__annotations__.keys() == withdrawn - {"dry_run", "confirm_all"}


def test_its_version_is_that_of_the_contract() -> None:
    version = tomllib.loads((ROOT / "clients/python/pyproject.toml").read_text())["project"]["version"]
    assert version.startswith(f"{contract()['info']['version']}.")


class Message:
    """A message of Kafka's, as far as the client looks."""

    def __init__(self, value: bytes | None, error: str | None = None) -> None:
        self._value, self._error = value, error

    def value(self) -> bytes | None:
        return self._value

    def error(self) -> str | None:
        return self._error

    def offset(self) -> int:
        return 1

    def partition(self) -> int:
        return 0


class Consumer:
    """Gives these messages, then ends the program."""

    def __init__(self, *messages: Message | None) -> None:
        self._messages = iter(messages)
        self.committed: list[Message] = []

    def poll(self, _seconds: float) -> Message | None:
        try:
            return next(self._messages)
        except StopIteration:
            raise KeyboardInterrupt from None

    def commit(self, message: Message) -> None:
        self.committed.append(message)


def message(request_id: int, revision: int, status: str = "FAILED", source_system: str = "CIBT") -> Message:
    data = {"request_id": request_id, "revision": revision, "status": status, "source_system": source_system}
    return Message(json.dumps({"id": f"{request_id}/{revision}", "data": data}).encode())


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[Ends]:
    kept = Ends(tmp_path / "ends.sqlite")
    yield kept
    kept.close()


def handled(consumer: Any, ends: Ends, source_system: str | None = None) -> list[str]:
    seen: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        seen.extend(event["id"] for event in news(consumer, ends, source_system=source_system))
    return seen


def test_each_end_is_handled_once_and_a_late_one_is_dropped(ends: Ends) -> None:
    consumer = Consumer(message(1, 1), message(1, 1), None, message(1, 2), message(1, 1), message(2, 1))
    assert handled(consumer, ends) == ["1/1", "1/2", "2/1"]
    assert len(consumer.committed) == 5
    assert handled(Consumer(message(1, 2), message(2, 1)), ends) == []


def test_an_event_whose_handling_fails_comes_again(ends: Ends) -> None:
    consumer: Any = Consumer(message(1, 1))
    walk = news(consumer, ends)
    assert next(walk)["id"] == "1/1"
    walk.close()  # type: ignore[attr-defined]
    assert consumer.committed == []
    assert handled(Consumer(message(1, 1)), ends) == ["1/1"]


NONSENSE = [None, b"", b"{", b"[]", b'{"id": 1, "data": {}}', b'{"id": "x", "data": 1}', b"[" * 100_000, b"\xff"]


def test_what_is_no_event_holds_up_nothing(ends: Ends) -> None:
    consumer = Consumer(*map(Message, NONSENSE), Message(None, "broker gone"), message(1, 1))
    assert handled(consumer, ends) == ["1/1"]
    assert len(consumer.committed) == len(NONSENSE) + 1


def test_others_events_are_passed_over(ends: Ends) -> None:
    consumer = Consumer(message(1, 1, source_system="ARCADE"), message(2, 1))
    assert handled(consumer, ends, "CIBT") == ["2/1"]
    assert len(consumer.committed) == 2
