"""What the intake remembers of the reference data, by the clock."""

from typing import Any

import pytest

from include.oms.base.cached_document import BURST
from include.oms.base.fetching import Fetched, FetchError, NothingThere
from include.oms.intake.reference_data import ReferenceData
from include.oms.intake.refusals import ReferenceDataOutOfReach
from include.oms.words.content_schema import Mode


class Api:
    """The API and the clock of a test."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.values: Any = ["EN", "DE"]
        self.schemas: Any = []
        self.calls: list[str] = []
        self.is_up = True
        self.etag: str | None = '"1"'

    def fetch(self, url: str, etag: str | None = None) -> Fetched:
        self.calls.append(url)
        if not self.is_up:
            raise FetchError("answered 500")
        if "document-schemas" in url:
            if self.schemas is None:
                raise NothingThere("answered 404")
            return Fetched(None, etag) if etag and etag == self.etag else Fetched(self.schemas, self.etag)
        if etag is not None and etag == self.etag:
            return Fetched(None, etag)
        rows = [{"refDataValue": value} for value in self.values] if isinstance(self.values, list) else self.values
        return Fetched(rows, self.etag)

    def change(self, *values: str) -> None:
        self.values, self.etag = list(values), f'"{values}"'


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def known(api: Api, monkeypatch: pytest.MonkeyPatch) -> ReferenceData:
    class Now:  # what happens behind the scenes happens at once
        def __init__(self, target: Any, daemon: bool) -> None:
            self.start = target

    monkeypatch.setattr("include.oms.base.cached_document.threading.Thread", Now)
    return ReferenceData(api, "http://ref/", fresh_seconds=30, stale_seconds=600, clock=lambda: api.now)


def test_asked_once_while_fresh(api: Api, known: ReferenceData) -> None:
    for _ in range(5):
        assert known.knows("DOCUMENT_LANGUAGE", "EN")
        api.now += 5
    assert api.calls == ["http://ref/v1/reference-data/type/DOCUMENT_LANGUAGE"]


def test_stale_values_are_used_while_they_are_asked_for_again(api: Api, known: ReferenceData) -> None:
    known.knows("DOCUMENT_LANGUAGE", "EN")
    api.change("DE")
    api.now += 31
    assert known.knows("DOCUMENT_LANGUAGE", "EN")  # and behind the scenes the new list has come
    assert not known.knows("DOCUMENT_LANGUAGE", "EN")


def test_stale_values_are_used_during_an_outage_but_not_for_ever(api: Api, known: ReferenceData) -> None:
    known.knows("DOCUMENT_LANGUAGE", "EN")
    api.is_up = False
    api.now += 599
    assert known.knows("DOCUMENT_LANGUAGE", "EN")
    api.now += 2
    with pytest.raises(ReferenceDataOutOfReach):
        known.knows("DOCUMENT_LANGUAGE", "EN")
    api.is_up = True
    api.now += 1
    assert known.knows("DOCUMENT_LANGUAGE", "EN")


def test_nothing_is_known_before_the_first_answer(api: Api, known: ReferenceData) -> None:
    api.is_up = False
    with pytest.raises(ReferenceDataOutOfReach):
        known.knows("DOCUMENT_LANGUAGE", "EN")


def test_a_value_that_was_added_a_moment_ago_is_known(api: Api, known: ReferenceData) -> None:
    assert not known.knows("DOCUMENT_LANGUAGE", "NL")
    api.change("EN", "NL")
    assert known.knows("DOCUMENT_LANGUAGE", "NL")


def test_a_flood_of_wrong_values_is_not_passed_on(api: Api, known: ReferenceData) -> None:
    for _ in range(100):
        assert not known.knows("DOCUMENT_LANGUAGE", "XX")
    assert len(api.calls) <= BURST + 1
    api.now += 1
    for _ in range(100):
        assert not known.knows("DOCUMENT_LANGUAGE", "XX")
    assert len(api.calls) <= BURST + 2


def test_nobody_can_tell_of_an_unknown_value_during_an_outage(api: Api, known: ReferenceData) -> None:
    known.knows("DOCUMENT_LANGUAGE", "EN")
    api.is_up = False
    assert not known.knows("DOCUMENT_LANGUAGE", "NL")  # the list is fresh
    api.now += 31
    with pytest.raises(ReferenceDataOutOfReach):
        known.knows("DOCUMENT_LANGUAGE", "NL")


@pytest.mark.parametrize("nonsense", [None, {}, 5, "x", [1], [{}]])
def test_nonsense_is_an_outage(api: Api, known: ReferenceData, nonsense: Any) -> None:
    known.knows("DOCUMENT_LANGUAGE", "EN")
    api.values, api.etag = ({"rows": nonsense} if isinstance(nonsense, list) else nonsense), None
    api.now += 31
    assert known.knows("DOCUMENT_LANGUAGE", "EN")
    assert known.knows("DOCUMENT_LANGUAGE", "EN")


def test_it_answers_or_not(api: Api, known: ReferenceData) -> None:
    assert known.answers()
    api.is_up = False
    api.now += 1.5
    assert not known.answers()
    assert [known.answers() for _ in range(50)] == [False] * 50
    assert len(api.calls) <= BURST + 2


SEARCH = "http://ref/v1/document-schemas/search?documentName=A+B%26C"


def test_a_schema_is_compiled_once_while_it_does_not_change(api: Api, known: ReferenceData) -> None:
    api.schemas = [{"mode": "warn", "schema": {"required": ["a"]}}]
    rules = known.content_rules("A B&C")
    assert rules
    assert rules.mode is Mode.WARN
    assert [broken.path for broken in rules.schema.faults(b"{}")] == [("a",)]
    for _ in range(3):
        api.now += 20
        assert known.content_rules("A B&C") is rules
    assert api.calls == [SEARCH] * 2  # the second one was answered: it is still the same
    api.schemas, api.etag = [], '"2"'
    api.now += 31
    known.content_rules("A B&C")  # behind the scenes the change comes
    assert known.content_rules("A B&C") is None


def test_stale_schemas_are_used_during_an_outage_but_not_for_ever(api: Api, known: ReferenceData) -> None:
    api.schemas = [{"mode": "refuse", "schema": {}}]
    rules = known.content_rules("A")
    api.is_up = False
    api.now += 599
    assert known.content_rules("A") is rules
    api.now += 2
    with pytest.raises(ReferenceDataOutOfReach):
        known.content_rules("A")
    with pytest.raises(ReferenceDataOutOfReach):
        known.content_rules("NEVER FETCHED")


def test_an_api_that_knows_no_schemas_yet_has_none(api: Api, known: ReferenceData) -> None:
    api.schemas = None
    assert known.content_rules("A") is None


@pytest.mark.parametrize(
    "nonsense",
    [
        None,
        {},
        [1],
        [{}],
        *([{"mode": mode, "schema": it}] for mode, it in (("x", {}), ("warn", []), ("warn", {"not": 1}))),
    ],
    ids=str,
)
def test_a_schema_that_cannot_be_used_leaves_the_last_one(api: Api, known: ReferenceData, nonsense: Any) -> None:
    api.schemas = [{"mode": "warn", "schema": {}}]
    rules = known.content_rules("A")
    api.schemas, api.etag = nonsense if nonsense is not None else "x", None
    api.now += 31
    assert known.content_rules("A") is rules
    assert known.content_rules("A") is rules


def test_a_new_process_fetches_all_schemas_before_the_first_request(api: Api, known: ReferenceData) -> None:
    api.values = ["B", "A"]
    known.prefetch("DOCUMENT_NAME")
    assert [url.rpartition("=")[2] for url in api.calls if "document-schemas" in url] == ["A", "B"]
