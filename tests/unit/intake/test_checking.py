"""A request is checked as a whole: all its faults at once, and the same request has the same hash."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from include.oms.intake.checking import NewRequest, check_request
from include.oms.intake.json_text import read_json
from include.oms.intake.reference_data import ContentRules
from include.oms.intake.refusals import MOST_FAULTS, Fault, Invalid, ReferenceDataOutOfReach
from include.oms.intake.shape import SentRequest, read_shape, shape_faults
from include.oms.words.content_schema import ContentSchema, Mode

NOW = datetime(2030, 1, 31, 9, tzinfo=UTC)


class Known:
    """Reference data that knows everything but what begins with UN."""

    def __init__(self, mode: Mode = Mode.REFUSE, **schemas: dict[str, Any]) -> None:
        self._rules = {name: ContentRules(mode, ContentSchema(schema)) for name, schema in schemas.items()}
        self.counted: list[tuple[str, Mode]] = []

    def knows(self, ref_data_type: str, value: str) -> bool:
        return not value.startswith("UN")

    def content_rules(self, document_name: str) -> ContentRules | None:
        return self._rules.get(document_name)

    def broken(self, document_name: str, mode: Mode) -> None:
        self.counted.append((document_name, mode))


class Unreachable(Known):
    """Reference data that cannot be had."""

    def knows(self, ref_data_type: str, value: str) -> bool:
        raise ReferenceDataOutOfReach("gone")


def a_request(**changes: Any) -> dict[str, Any]:
    fine = {
        "document_type": "INVOICE",
        "document_name": "IVZRECPA",
        "document_language": "EN",
        "source_environment": "DEV",
        "request_correlation_id": "REQ-1",
        "document_content": {"a": 1},
    }
    return {name: value for name, value in (fine | changes).items() if value is not ...}


def check(value: Any, known: Any = None) -> NewRequest:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return check_request(body, read_json(body), known or Known(), NOW)


def faults(value: Any, known: Any = None) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as raised:
        check(value, known)
    return sorted((fault.pointer, fault.detail) for fault in raised.value.faults)


def test_a_fine_request() -> None:
    new = check(a_request(document_metadata=[{"key": "B", "value": "2"}, {"key": "A", "value": "1"}]))
    assert (new.sent.priority, new.not_before, bytes(new.sent.document_content)) == ("NORMAL", None, b'{"a": 1}')
    assert [(pair.key, pair.value) for pair in new.metadata] == [("A", "1"), ("B", "2")]


def test_all_faults_at_once() -> None:
    assert faults(
        {
            "document_type": "UNKNOWN",
            "document_name": 17,
            "source_environment": "MOON",
            "request_correlation_id": "",
            "document_metadata": [{"key": "UNHEARD", "value": ""}, {"key": "A"}, 3],
            "document_content": ["\0"],
            "colour": "red",
        }
    ) == [
        ("/colour", "is not known here"),
        ("/document_content", "must be of type object"),
        ("/document_content/0", "the text holds NUL (U+0000), which cannot be kept"),
        ("/document_language", "is missing"),
        ("/document_metadata/0/key", "is not in force in the reference type METADATA_KEY"),
        ("/document_metadata/0/value", "must have 1 characters at least"),
        ("/document_metadata/1/value", "is missing"),
        ("/document_metadata/2", "must be of type object"),
        ("/document_name", "must be of type string"),
        ("/document_type", "is not in force in the reference type DOCUMENT_TYPE"),
        ("/request_correlation_id", "must have 1 characters at least"),
        ("/source_environment", "must be one of DEV, SIT, UAT, PROD"),
    ]


@pytest.mark.parametrize("value", [None, [], "text", 5, True])
def test_something_else_than_an_object(value: Any) -> None:
    assert faults(value) == [("", "must be of type object")]


@pytest.mark.parametrize(
    ("changes", "place", "detail"),
    [
        ({"request_correlation_id": "x" * 101}, "/request_correlation_id", "must have 100 characters at most"),
        ({"request_correlation_id": "a\nb"}, "/request_correlation_id", "holds a control character"),
        ({"priority": "URGENT"}, "/priority", "must be one of HIGH, NORMAL, LOW"),
        ({"priority": None}, "/priority", "must be of type string"),
        ({"not_before": "tomorrow"}, "/not_before", "must be an instant with its offset, such as 2030-01-31T09:00:00Z"),
        (
            {"not_before": "2030-02-01T00:00:00"},
            "/not_before",
            "must be an instant with its offset, such as 2030-01-31T09:00:00Z",
        ),
        ({"not_before": "2031-02-02T00:00:00Z"}, "/not_before", "must lie 1 year ahead at most"),
        ({"not_before": "0001-01-01T00:00:00+14:00"}, "/not_before", "must lie 1 year ahead at most"),
        (
            {"document_metadata": [{"key": "A", "value": "1"}, {"key": "A", "value": "1"}]},
            "/document_metadata/1/key",
            "stands more than once",
        ),
        (
            {"document_metadata": [{"key": str(i), "value": "1"} for i in range(51)]},
            "/document_metadata",
            "must have 50 items at most",
        ),
        (
            {"document_metadata": [{"key": "A", "value": "x" * 256}]},
            "/document_metadata/0/value",
            "must have 255 characters at most",
        ),
    ],
)
def test_one_fault(changes: dict[str, Any], place: str, detail: str) -> None:
    assert (place, detail) in faults(a_request(**changes))


def test_the_limits_themselves_are_taken() -> None:
    longest = [{"key": str(i), "value": "\U0001f600" * 255} for i in range(50)]
    check(a_request(request_correlation_id="\U0001f600" * 100, document_metadata=longest))
    check(a_request(not_before=(NOW + timedelta(days=366)).isoformat()))
    check(a_request(not_before="1970-01-01T00:00:00Z"))


def test_a_hundred_thousand_faults_are_not_all_told() -> None:
    assert len(faults(a_request(**{f"x{i}": 1 for i in range(10_000)}))) == MOST_FAULTS


def test_faults_are_told_though_the_reference_data_is_out_of_reach() -> None:
    assert faults(a_request(priority="URGENT"), Unreachable()) == [("/priority", "must be one of HIGH, NORMAL, LOW")]
    with pytest.raises(ReferenceDataOutOfReach):
        check(a_request(), Unreachable())


def test_the_hash_is_that_of_the_meaning() -> None:
    fine = a_request(document_metadata=[{"key": "A", "value": "1"}, {"key": "B", "value": "2"}])
    same = (
        dict(reversed(fine.items())),
        fine | {"priority": "NORMAL"},
        fine | {"document_metadata": [{"value": "2", "key": "B"}, {"key": "A", "value": "1"}]},
        json.dumps(fine, indent=3).replace("INVOICE", "INVO\\u0049CE").encode(),
    )
    assert {check(value).content_hash for value in same} == {check(fine).content_hash}
    assert check(a_request(document_metadata=[])).content_hash == check(a_request()).content_hash
    instants = ("2030-02-01T00:00:00Z", "2030-02-01T01:00:00+01:00")
    assert len({check(a_request(not_before=instant)).content_hash for instant in instants}) == 1


def test_every_difference_makes_another_hash() -> None:
    contents = [{"a": 1}, {"a": "1"}, {"a": True}, {"a": None}, {"a": [1]}, {"b": 1}, {}, {"a": {}}, {"a": []}]
    different = [
        *(a_request(document_content=content) for content in contents),
        *(a_request(**{name: "OTHER"}) for name in ("document_type", "document_name", "document_language")),
        a_request(source_environment="PROD"),
        a_request(priority="LOW"),
        a_request(not_before="2030-02-01T00:00:00Z"),
        a_request(document_metadata=[{"key": "A", "value": "1"}]),
        a_request(document_metadata=[{"key": "1", "value": "A"}]),
        json.dumps(a_request()).replace('{"a": 1}', '{"a": 1.0}').encode(),
    ]
    assert len({check(value).content_hash for value in different}) == len(different)


BORN = {"required": ["born"], "properties": {"born": {"format": "date"}}, "additionalProperties": False}


def test_a_content_that_breaks_its_schema_is_refused_with_its_places() -> None:
    known = Known(IVZRECPA=BORN)
    assert check(a_request(document_content={"born": "1815-12-10"}), known)
    assert faults(a_request(priority="URGENT"), known) == [
        ("/document_content/a", "is not known here"),
        ("/document_content/born", "is missing"),
        ("/priority", "must be one of HIGH, NORMAL, LOW"),
    ]
    assert known.counted == [("IVZRECPA", Mode.REFUSE)]
    assert check(a_request(document_name="OTHER"), known)  # has no schema


def test_a_content_that_breaks_a_schema_in_warn_mode_is_counted_and_logged_without_its_content() -> None:
    known = Known(Mode.WARN, IVZRECPA=BORN)
    with structlog.testing.capture_logs() as lines:
        assert check(a_request(document_content={"secret": "1815"}), known)
    assert known.counted == [("IVZRECPA", Mode.WARN)]
    assert [(line["event"], line["faults"], line["rules"]) for line in lines] == [
        ("content_breaks_schema", 2, ["/required", "/additionalProperties"])
    ]
    assert "secret" not in str(lines)


def test_faults_of_a_content_end_at_the_cap_of_all_faults() -> None:
    content = {"born": "1815-12-10", **{f"x{nth}": nth for nth in range(10_000)}}
    assert len(faults(a_request(document_content=content), Known(IVZRECPA=BORN))) == MOST_FAULTS


@pytest.mark.parametrize(
    "content",
    [None, [], "text", {"a": "\ud800"}, {"a": {"b": "\0"}}, json.loads('{"a":' * 70 + "1" + "}" * 70)],
    ids=str,
)
def test_a_content_that_cannot_be_kept_is_not_held_against_a_schema(content: Any) -> None:
    found = faults(a_request(document_content=content), Known(IVZRECPA=BORN))
    assert ("/document_content/born", "is missing") not in found


words = st.sampled_from(["EN", "", "x" * 101, "DEV", "HIGH", "2030-02-01T00:00:00Z", "2030-02-30T00:00:00Z", "é" * 100])
anything = words | st.none() | st.booleans() | st.integers() | st.lists(words, max_size=2)
pairs = st.fixed_dictionaries({}, optional={"key": anything, "value": anything, "more": anything}) | anything
near_requests = st.builds(
    lambda fine, changes, left_out: {k: v for k, v in {**fine, **changes}.items() if k not in left_out},
    st.just(a_request()),
    st.dictionaries(
        st.sampled_from([*a_request(), "priority", "not_before", "colour"]), anything | st.just({}), max_size=3
    )
    | st.fixed_dictionaries({"document_metadata": st.lists(pairs, max_size=3) | anything}),
    st.sets(st.sampled_from(list(a_request())), max_size=1),
)


@given(near_requests)
def test_both_readers_of_the_shape_agree(value: Any) -> None:
    body = json.dumps(value).encode()
    document = read_json(body)
    assert isinstance(read_shape(body, document), SentRequest) == (shape_faults(document) == [])


def test_a_fault_is_told_once() -> None:
    assert Invalid([Fault("/a", "x"), Fault("/a", "x")]).detail == "1 fault; errors lists them"
