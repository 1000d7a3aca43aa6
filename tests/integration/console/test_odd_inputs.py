"""Every route of the console's API refuses odd input with a sentence: never with an error of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from plugins.oms_console.filters import Filter
from tests.integration.console.conftest import FIT, JSON, ROUTES, Console

QUERIES = {
    (method, path): [field.alias for field in route.dependant.query_params] for (method, path), route in ROUTES.items()
}
HASH = "0" * 32
FILTER = list(Filter.model_fields)
PLACE = ["order", "after", "ended_at"]
TRAIL = ["actor", "action", "request_id", "since", "until", "before"]
SOME = ["metadata", "error_text", "document", "created_from", "status"]  # of the filter; all of it is tried once
# What a route reads from its address by a model, or by hand.
MORE_QUERIES = {
    "requests": FILTER + PLACE, "requests/total": SOME, "requests.csv": SOME, "actions": TRAIL,
    "actions.csv": ["actor"],
}  # fmt: skip
# Without these, nothing else is looked at.
NEEDED = {
    ("GET", "slices"): {"dag_id": "document_processing", "run_id": "run"}, ("GET", "find"): {"q": "x"},
    ("DELETE", "systems/{system}"): {"document_type": "INVOICE", "version": HASH},
}  # fmt: skip
NAMED: dict[str, Any] = {"request_ids": [1], "reason": "because"}
# The body of each route that takes one, each field with a value that is fit.
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    **{("POST", it): NAMED for it in
       ("retriggers", "resolutions", "reopenings", "retry-now", "cancellations", "publications")},
    ("POST", "bulk-operations"): {"action": "resolve", "expected": 0, "per_second": 1, **NAMED},
    ("POST", "bulk-operations/counts"): {"action": "resolve", "filter": dict.fromkeys(SOME, "")},
    ("POST", "bulk-operations/{operation_id}/decisions"): {"approve": False},
    ("POST", "bulk-operations/{operation_id}/changes"): {"change": "pause"},
    ("POST", "requests/{request_id}/looks"): {"what": "xml", "attempt": 1},
    ("POST", "holds"): {"filter": {"document_name": "X", "metadata": "A:B"}, "reason": "because", "until": None},
    ("DELETE", "holds/{hold_id}"): {"reason": "because"},
    ("POST", "outbox/releases"): {"topic": "", "reason": "x"},
    ("POST", "systems/{system}"): {"document_type": "INVOICE"},
    ("PATCH", "systems/{system}"): {
        "document_type": "*", "version": HASH, "paused": True, "why": "x", "until": None, "most_in_flight": 1,
        "most_per_second": 1,
    },
    ("PUT", "source-system-limits/{source_system}"): {
        "most_in_flight": 1, "most_per_second": 1, "until": None, "version": None,
    },
    ("POST", "reference/{kind}"): {"type": "X", "refDataValue": "Y"},
    ("PUT", "reference/{kind}/{row_id}"): {"seen": {}, "row": {}},
    ("DELETE", "reference/{kind}/{row_id}"): {"seen": {}},
}  # fmt: skip
TEXTS = [
    "", " ", "%", "\\", "%(x)s", "a\u0000b", "\u202eabc", "a\nb", "x" * 9_000, "0", "-1", str(2**31), str(2**63),
    "9" * 300, "1e400", "NaN", "٣", "²", "[]", "../..", "A:", "A:B", "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00", "2026-02-30T00:00:00Z", "1" * 32,
]  # fmt: skip
VALUES: list[Any] = [
    *TEXTS, "\ud800", None, True, -1, 2**31, 2**63, 2**70, 1.5, float("nan"), float("inf"), [], [[]], {}, [2**63],
    [1] * 10_001,
]  # fmt: skip
CONTENTS = [
    b"", b"{", b"[]", b"null", b"1", b'"x"', b"\xff", b"{}", b"[" * 50_000, b'{"a":' * 50_000, b'{"\\ud800": 1}',
    b'{"x": 1}', b'{"x":' + b"[" * 900 + b"]" * 900 + b"}",
]  # fmt: skip


def calls(method: str, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The address and the rest of each call that is odd in one place."""
    body = BODIES[method, path] if ROUTES[method, path].dependant.body_params else None
    fit = path.format_map(FIT)
    names = [name.strip("{}") for name in path.split("/") if name.startswith("{")]
    for name in names:
        for text in TEXTS:
            address = path.format_map(FIT | {name: quote(text, safe="")})
            yield address, {"json": body, "params": NEEDED.get((method, path))}
    for name in {*QUERIES[method, path], *MORE_QUERIES.get(path, [])}:
        for text in TEXTS:
            yield fit, {"params": NEEDED.get((method, path), {}) | {name: text}, "json": body}
    if body is None:
        return
    for content in CONTENTS:
        yield fit, {"content": content}
    for odd in odd_bodies(body):
        yield fit, {"content": json.dumps(odd).encode()}


def odd_bodies(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The body with one field left out, or odd."""
    for name, value in body.items():
        yield {key: it for key, it in body.items() if key != name}
        yield from (body | {name: odd} for odd in VALUES)
        if isinstance(value, dict):
            yield from (body | {name: odd} for odd in odd_bodies(value))


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_odd_input_is_refused_in_a_sentence(
    console: Console, reference_api: None, method: str, path: str
) -> None:
    console.request("FAILED")
    transport = console.http._transport
    assert isinstance(transport, httpx.ASGITransport)
    transport.raise_app_exceptions = False
    wrong = []
    for address, more in calls(method, path):
        answer = await console.http.request(method, f"/api/{address}", headers=JSON, **more)
        is_problem = answer.headers.get("content-type") == "application/problem+json" and answer.json()["title"]
        if answer.status_code >= 500 or (answer.status_code >= 400 and not is_problem):
            wrong.append((answer.status_code, address, str(more)[:200], answer.text[:200]))
    assert wrong[:5] == []
