"""The contract as the service serves it: with its details, and with the reference data in force."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection
from datetime import datetime
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from include.oms.intake.checking import LATEST_START
from include.oms.intake.contract import contract
from include.oms.intake.finding import CURSOR_PATTERN
from include.oms.intake.reference_data import REFERENCE_TYPES
from include.oms.words.names import NAME_PATTERN, SPACES, UNFIT

_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
ANYWHERE = {
    "414": {"description": "the request line is longer than the limit", "content": _PROBLEM},
    "431": {"description": "a header field is too long, or there are too many", "content": _PROBLEM},
}
"""Answers that every call with a token may get before its own view runs."""

_PARAMETER_PATTERNS = {
    "document_type": NAME_PATTERN,
    "document_name": NAME_PATTERN,
    "request_correlation_id": NAME_PATTERN,
    "name": NAME_PATTERN,
    "metadata": f"^[^:{UNFIT}{SPACES}]([^:{UNFIT}]*[^:{UNFIT}{SPACES}])?:{NAME_PATTERN[1:]}",
    "cursor": CURSOR_PATTERN,
}


def openapi(values: Callable[[str], Collection[str]], now: datetime) -> dict[str, Any]:
    """The document. ``values`` returns the values in force of a reference type, none if they are out of reach."""
    in_force = {name: sorted(values(name)) for name in REFERENCE_TYPES}
    served: dict[str, Any] = _fill_in(_detailed_contract(), in_force)
    properties = served["components"]["schemas"]["NewDocumentRequest"]["properties"]
    possible_years = f"^(?!0000)({years_up_to((now + LATEST_START).year)})-"
    for instant in (properties["not_before"], served["components"]["schemas"]["NewRun"]["properties"]["deadline"]):
        instant["pattern"] = possible_years
    if in_force["METADATA_KEY"]:
        properties["document_metadata"]["allOf"] = [_once(key) for key in in_force["METADATA_KEY"]]
    return served


def years_up_to(year: int) -> str:
    """A pattern of four digits: 0000 to ``year``."""
    digits = f"{year:04}"
    below = [
        f"{digits[:place]}[0-{int(digit) - 1}]{'[0-9]' * (3 - place)}"
        for place, digit in enumerate(digits)
        if digit != "0"
    ]
    return "|".join([*below, digits])


def _once(key: str) -> dict[str, Any]:
    """The schema rule that a metadata key occurs once at most."""
    has_key = {"properties": {"key": {"const": key}}, "required": ["key"]}
    return {"contains": has_key, "minContains": 0, "maxContains": 1}


@cache
def _detailed_contract() -> dict[str, Any]:
    details = yaml.safe_load(Path(__file__).with_name("openapi_details.yaml").read_text("utf-8"))
    merged = merge(copy.deepcopy(contract()), details)
    for path, operations in merged["paths"].items():
        for operation in operations.values() if path.startswith("/v1/") else ():
            if "responses" in operation:  # not the parameters that a path's operations share
                merge(operation["responses"], ANYWHERE)
    properties = merged["components"]["schemas"]["NewDocumentRequest"]["properties"]
    properties["request_correlation_id"]["pattern"] = NAME_PATTERN
    properties["document_metadata"]["items"]["properties"]["value"]["pattern"] = NAME_PATTERN
    merged["components"]["schemas"]["NewRun"]["properties"]["name"]["pattern"] = NAME_PATTERN
    lists = (merged["paths"][path]["get"]["parameters"] for path in ("/v1/document-requests", "/v1/runs"))
    for parameter in chain.from_iterable(lists):
        schema = parameter["schema"]
        if pattern := _PARAMETER_PATTERNS.get(parameter["name"]):
            schema.get("items", schema)["pattern"] = pattern
    return merged


def merge(base: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """``base`` with the additions of ``more``. Raises ValueError if one would change something."""
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            merge(base[key], value)
        elif base.setdefault(key, copy.deepcopy(value)) != value and key != "description":
            raise ValueError(f"{key} would be changed")
    return base


def _fill_in(node: Any, in_force: dict[str, list[str]]) -> Any:
    """A copy in which the name of a reference type, as an enum, has become its values."""
    if isinstance(node, list):
        return [_fill_in(item, in_force) for item in node]
    if not isinstance(node, dict):
        return node
    filled = {key: _fill_in(value, in_force) for key, value in node.items() if key != "enum"}
    if values := in_force.get(str(node.get("enum")), node.get("enum")):
        filled["enum"] = values
    return filled
