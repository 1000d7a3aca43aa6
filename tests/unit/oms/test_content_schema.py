"""A schema for contents: what is refused when it is written, what it finds, and what bounds its work."""

import json
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.oms.base.json_pointer import pointer
from include.oms.words.content_schema import (
    DEEPEST,
    DIALECT,
    MOST_BYTES,
    MOST_SUBSCHEMAS,
    ContentSchema,
    SchemaRefused,
    _validator,
)


def refused(schema: Any) -> tuple[str, str]:
    """The place and the reason."""
    with pytest.raises(SchemaRefused) as raised:
        ContentSchema(schema)
    return raised.value.pointer(), raised.value.detail


def faults(schema: dict[str, Any], content: Any) -> list[tuple[str, str]]:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return sorted((pointer(*broken.path), broken.detail) for broken in ContentSchema(schema).faults(text))


def chain(length: int) -> dict[str, Any]:
    """Each link of the chain uses the next one twice."""
    links: dict[str, Any] = {
        f"d{nth}": {"allOf": [{"$ref": f"#/$defs/d{nth + 1}"}, {"$ref": f"#/$defs/d{nth + 1}"}]}
        for nth in range(length)
    }
    return {"$ref": "#/$defs/d0", "$defs": links | {f"d{length}": {"type": "string"}}}


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(levels):
        schema = {"not": schema}
    return schema


@pytest.mark.parametrize(
    ("schema", "place", "reason"),
    [
        ([], "", "must be an object"),
        (True, "", "must be an object"),
        ({"properties": {"a": {"type": "strng"}}}, "/properties/a/type", "strng"),
        ({"minLength": -1}, "/minLength", "minimum"),
        ({"properties": {"a/b": {"required": "a"}}}, "/properties/a~1b/required", "array"),
        ({"properties": {"a": {"format": "dat"}}}, "/properties/a/format", "dat"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "/$schema", DIALECT),
        ({"$schema": 7}, "/$schema", DIALECT),
        ({"items": {"pattern": "("}}, "/items/pattern", "linear"),
        ({"items": {"pattern": "(?=a)b"}}, "/items/pattern", "look-around"),
        ({"items": {"pattern": r"(a)\1"}}, "/items/pattern", "back-reference"),
        ({"pattern": "((a{1,100}){1,100}){1,100}"}, "/pattern", "large repetitions"),
        ({"patternProperties": {"[": {}}}, "/patternProperties/[", "linear"),
        ({"items": {"$ref": "http://169.254.169.254/latest"}}, "/items/$ref", "nothing is fetched"),
        ({"items": {"$ref": "other.json#/a"}}, "/items/$ref", "nothing is fetched"),
        ({"$ref": "file:///etc/passwd"}, "/$ref", "nothing is fetched"),
        ({"$ref": "#/$defs/none"}, "/$ref", "leads to no subschema"),
        ({"$ref": "#anchor"}, "/$ref", "must be a JSON Pointer"),
        ({"$ref": "#"}, "/$ref", "leads back to itself"),
        ({"$ref": ""}, "/$ref", "leads out of the schema"),
        ({"$ref": "#/enum/0", "enum": [{"type": "string"}]}, "/$ref", "leads to no subschema"),
        ({"properties": {"child": {"$ref": "#"}}}, "/properties/child/$ref", "leads back to itself"),
        (
            {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
            "/$defs/b/$ref",
            "leads back to itself",
        ),
        (chain(10), "", "each counted where $ref uses it"),
        ({"enum": [nested(DEEPEST)]}, pointer("enum", 0, *["not"] * (DEEPEST - 1)), "nested deeper"),
        ({"properties": {str(nth): {} for nth in range(MOST_SUBSCHEMAS)}}, "", f"more than {MOST_SUBSCHEMAS}"),
        ({"description": "x" * MOST_BYTES}, "", "bytes"),
        ({"enum": ["x" * 1_000_000]}, "", "bytes"),
        ({"enum": ["a\0b"]}, "/enum/0", "NUL"),
        ({"properties": {"\ud800": {}}}, "/properties", "surrogate"),
        ({"maximum": float("inf")}, "/maximum", "number"),
        ({"allOf": [{"unevaluatedProperties": False}]}, "/allOf/0/unevaluatedProperties", "additionalProperties"),
        ({"items": {"$dynamicRef": "#x"}}, "/items/$dynamicRef", "JSON Pointer"),
        ({"items": {"$id": "https://example.com/x"}}, "/items/$id", "root only"),
    ],
    ids=lambda value: None if isinstance(value, str) else str(value)[:40],
)
def test_a_schema_that_cannot_be_used_is_refused_with_its_place(schema: Any, place: str, reason: str) -> None:
    where, detail = refused(schema)
    assert (where, reason in detail) == (place, True), (where, detail)
    assert len(detail) <= 500


def test_a_schema_that_python_cannot_walk_is_refused() -> None:
    assert refused(nested(100_000)) == ("", f"is nested deeper than {DEEPEST} levels")


def test_what_a_schema_may_hold() -> None:
    schema = {
        "$schema": DIALECT,
        "$id": "https://example.com/letter",
        "$comment": "$ref",
        "x-owner": {"$ref": "http://example.com/what-we-do-not-know-is-left-alone"},
        "type": "object",
        "properties": {
            "$ref": {"type": "string"},
            "who": {"$ref": "#/$defs/a~1b%25"},
            "also": {"$ref": "#/$defs/a~1b%25"},
        },
        "examples": [{"$ref": "http://example.com/"}],
        "$defs": {"a/b%": {"type": "string", "pattern": r"^\p{L}+$"}},
    }
    assert faults(schema, {"$ref": 1, "who": "Ada", "also": "4"}) == [
        ("/$ref", "must be of type string"),
        ("/also", r"must match the pattern ^\p{L}+$"),
    ]


LETTER = {
    "type": "object",
    "required": ["born", "amount"],
    "additionalProperties": False,
    "properties": {
        "born": {"type": "string", "format": "date"},
        "amount": {"type": ["number", "null"], "minimum": 0, "multipleOf": 0.01},
        "lines": {
            "type": "array",
            "maxItems": 3,
            "items": {"required": ["text"], "properties": {"text": {"minLength": 2, "maxLength": 5}}},
        },
        "colour": {"enum": ["red", "green"]},
        "code": {"const": 7},
        "pair": {"prefixItems": [{"type": "string"}, {"type": "integer"}], "items": False},
        "either": {"anyOf": [{"type": "string"}, {"type": "integer", "exclusiveMinimum": 5}]},
        "one": {"oneOf": [{"multipleOf": 2}, {"multipleOf": 3}]},
        "none": {"not": {"type": "string"}},
        "set": {"uniqueItems": True, "contains": {"const": 1}, "minContains": 2},
    },
    "patternProperties": {"^x-": {"type": "integer"}},
    "propertyNames": {"maxLength": 10},
    "dependentRequired": {"colour": ["code"]},
    "if": {"properties": {"code": {"const": 8}}, "required": ["code"]},
    "then": {"required": ["one"]},
}


def test_a_content_that_fits_has_no_faults() -> None:
    fine = {"born": "1815-12-10", "amount": 1.15, "lines": [{"text": "abc"}], "colour": "red", "code": 7, "x-1": 3}
    assert faults(LETTER, fine) == []
    assert faults(LETTER, {"born": "1815-12-10", "amount": None, "pair": ["a", 1], "either": 6, "one": 4}) == []


def test_all_faults_of_a_content_each_with_its_place() -> None:
    content = {
        "amount": -0.005,
        "lines": [{"text": "a"}, {}, {"text": "abcdef"}, {"text": "ok"}],
        "colour": "blue",
        "pair": [1, "a", True],
        "either": 5,
        "one": 6,
        "none": "",
        "set": [1, 2, 2],
        "x-1": "",
        "a/b": 1,
        "too long a name": 1,
    }
    assert faults(LETTER, content) == [
        ("", "has a member whose name breaks the rule for names"),
        ("", "lacks a member that another one of its members needs"),
        ("/amount", "must be 0 at least"),
        ("/amount", "must be a multiple of 0.01"),
        ("/a~1b", "is not known here"),
        ("/born", "is missing"),
        ("/colour", "must be one of red, green"),
        ("/either", "must fit one of the alternatives"),
        ("/lines", "must have 3 items at most"),
        ("/lines/0/text", "must have 2 characters at least"),
        ("/lines/1/text", "is missing"),
        ("/lines/2/text", "must have 5 characters at most"),
        ("/none", "must not fit the schema in not"),
        ("/one", "must fit exactly one of the alternatives"),
        ("/pair/0", "must be of type string"),
        ("/pair/1", "must be of type integer"),
        ("/pair/2", "is not allowed here"),
        ("/set", "holds too few or too many of the items that it must contain"),
        ("/set", "must not hold the same item twice"),
        ("/too long a name", "is not known here"),
        ("/x-1", "must be of type integer"),
    ]
    assert faults(LETTER, {"born": "10.12.1815", "amount": 1, "code": 8}) == [
        ("", "breaks the rule that follows from its other values"),
        ("/born", "must be a valid date"),
        ("/code", "must be 7"),
    ]


def test_a_rule_is_named_by_its_place_in_the_schema_and_holds_nothing_of_the_content() -> None:
    schema = {
        "properties": {"a": {"$ref": "#/$defs/born"}},
        "additionalProperties": False,
        "$defs": {"born": {"format": "date"}},
    }
    found = list(ContentSchema(schema).faults(b'{"a": "x", "secret": 1}'))
    assert [pointer(*broken.rule) for broken in found] == ["/$defs/born/format", "/additionalProperties"]
    assert "secret" not in str([broken.rule for broken in found])


@pytest.mark.parametrize(
    ("text", "count"),
    [(b"1e400", 1), (b"1e999999", 1), (b"-1e400", 0), (b"1e-400", 0), (b"9" * 400, 1), (b"9" * 100_000, 1),
     (b"1e99999999999999999999", 1), (b"0." + b"1" * 5000, 0)],
)  # fmt: skip
def test_any_number_is_checked_or_refused(text: bytes, count: int) -> None:
    assert len(faults({"properties": {"a": {"maximum": 10}}}, b'{"a": ' + text + b"}")) == count


def test_decimals_are_exact() -> None:
    assert faults({"items": {"multipleOf": 0.01}}, b"[0.07, 1.15, 19.99, 1234567890123.45]") == []


def test_the_caller_stops_when_it_has_enough() -> None:
    alternatives = {"items": {"anyOf": [{"const": nth} for nth in range(400)]}}
    found = ContentSchema(alternatives).faults(json.dumps(["x"] * 20_000).encode())
    assert [pointer(*broken.path) for broken in islice(found, 3)] == ["/0", "/1", "/2"]


def test_a_catastrophic_pattern_runs_in_linear_time() -> None:
    schema = {"items": {"pattern": "^(a+)+$"}}
    assert faults(schema, ["a" * 100_000 + "!"]) == [("/0", "must match the pattern ^(a+)+$")]


def test_a_deep_content_is_checked() -> None:
    assert faults({"type": "array"}, b"[" * 64 + b"]" * 64) == []


leaves = st.sampled_from(
    [
        True,
        False,
        {"type": "string"},
        {"type": "integer"},
        {"minimum": 3},
        {"maxLength": 2},
        {"enum": ["a", 5]},
        {"pattern": "^a"},
        {"minItems": 1},
        {"minProperties": 1},
        {"const": {"a": 1}},
        {"uniqueItems": True},
        {"contains": {"const": 1}},
        {"contains": {"const": 1}, "minContains": 0, "maxContains": 1},
        {"required": ["a"]},
        {"dependentRequired": {"a": ["b"]}},
        {"$ref": "#/$defs/shared"},
    ]
)
names = st.sampled_from(["a", "b", "c"])
subschemas = st.recursive(
    leaves,
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "properties": st.dictionaries(names, inner, max_size=2),
            "patternProperties": st.dictionaries(st.sampled_from(["^a", "b$"]), inner, max_size=2),
            "additionalProperties": inner,
            "items": inner,
            "prefixItems": st.lists(inner, min_size=1, max_size=2),
            "allOf": st.lists(inner, min_size=1, max_size=2),
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "oneOf": st.lists(inner, min_size=1, max_size=2),
            "not": inner,
            "if": inner,
            "then": inner,
            "else": inner,
            "propertyNames": inner,
            "dependentSchemas": st.dictionaries(names, inner, max_size=1),
            "$ref": st.just("#/$defs/shared"),
        },
    ),
    max_leaves=6,
)
contents = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["a", "ab", "abc", 1.5]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)


@given(subschemas, contents)
def test_faults_are_found_where_the_library_finds_the_whole_invalid(schema: Any, content: Any) -> None:
    whole = {
        "allOf": [schema],
        "$defs": {"shared": {"type": ["integer", "object"], "additionalProperties": {"minimum": 2}}},
    }
    found = list(ContentSchema(whole).faults(json.dumps(content).encode()))
    assert bool(found) == (not _validator(whole).is_valid(content))
    assert "does not fit the schema" not in {broken.detail for broken in found}
