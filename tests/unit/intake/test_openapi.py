"""What is served is the contract, and more; never less, never something else."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from include.oms.intake.contract import contract
from oms_intake.openapi import merge, openapi, years_up_to

NOW = datetime(2030, 6, 30, tzinfo=UTC)
SERVED = openapi(lambda ref_data_type: {f"{ref_data_type}_B", f"{ref_data_type}_A"}, NOW)


def leaves(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(node, dict | list) and node:
        for key, child in node.items() if isinstance(node, dict) else enumerate(node):
            yield from leaves(child, (*path, key))
    else:
        yield path, node


def test_all_of_the_contract_is_served_unchanged() -> None:
    served = dict(leaves(SERVED))
    empty = {path: value for path, value in leaves(contract()) if value in ({}, [])}
    assert {path: value for path, value in leaves(contract()) if path not in empty}.items() <= served.items()


def test_reference_data_in_force_is_served() -> None:
    properties = SERVED["components"]["schemas"]["NewDocumentRequest"]["properties"]
    assert properties["document_type"]["enum"] == ["DOCUMENT_TYPE_A", "DOCUMENT_TYPE_B"]
    unreachable = openapi(lambda _: (), NOW)["components"]["schemas"]["NewDocumentRequest"]["properties"]
    assert "enum" not in unreachable["document_type"]
    assert unreachable["priority"]["enum"] == ["HIGH", "NORMAL", "LOW"]


def test_every_schema_is_one() -> None:
    for schema in SERVED["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_answer_has_a_schema() -> None:
    for path in SERVED["paths"].values():
        for method in path.keys() & {"get", "post"}:
            assert all("content" in it for status, it in path[method]["responses"].items() if status != "304")


def test_what_the_gateway_may_answer_is_told() -> None:
    """Not for the two paths that it does not let through."""
    for name, path in SERVED["paths"].items():
        for method in path.keys() & {"get", "post"}:
            told = path[method]["responses"].get("429", {})
            assert ("Retry-After" in told.get("headers", {})) == (name not in ("/readyz", "/metrics")), name


def test_details_may_add_but_not_change() -> None:
    assert merge({"a": {"b": 1}}, {"a": {"c": 2}}) == {"a": {"b": 1, "c": 2}}
    with pytest.raises(ValueError, match="b would be changed"):
        merge({"a": {"b": 1}}, {"a": {"b": 2}})


def test_a_pattern_of_years() -> None:
    for last in (1999, 2000, 2031, 9999):
        matching = [year for year in range(10_000) if re.fullmatch(years_up_to(last), f"{year:04}")]
        assert matching == list(range(last + 1))


def test_a_metadata_key_may_stand_once() -> None:
    schema = SERVED["components"]["schemas"]["NewDocumentRequest"]["properties"]["document_metadata"]
    pair = {"key": "METADATA_KEY_A", "value": "1"}
    validator = Draft202012Validator(schema)
    assert validator.is_valid([pair, pair | {"key": "METADATA_KEY_B"}])
    assert not validator.is_valid([pair, pair])
