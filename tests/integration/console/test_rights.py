"""Who may do what in the console, and from where."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.console.conftest import FIT, JSON, ROUTES, Console

READS = (
    "slices?dag_id=document_processing&run_id=r", "requests", "requests/total", "requests.csv", "requests/1",
    "bulk-operations",     "me", "dashboard", "retrying", "health", "systems",
)  # fmt: skip
ACTIONS: dict[str, dict[str, Any]] = {
    "retriggers": {"request_ids": [1]},
    "retry-now": {"request_ids": [1]},
    "cancellations": {"request_ids": [1]},
    "publications": {"request_ids": [1]},
    "requests/1/looks": {"what": "json"},
}


async def test_without_a_session_nothing_is_read_or_done(console: Console) -> None:
    console.log_in(None)
    answers = {route: await call(console, *route) for route in ROUTES}
    assert {route: status for route, status in answers.items() if status != 401} == {}


async def test_a_viewer_changes_nothing(console: Console) -> None:
    console.log_in("viewer")
    answers = {route: await call(console, *route) for route in ROUTES if route[0] != "GET"}
    assert {route: status for route, status in answers.items() if status != 403} == {}


async def call(console: Console, method: str, path: str) -> int:
    """The status that a route answers."""
    answer = await console.http.request(method, f"/api/{path.format_map(FIT)}", json={}, headers=JSON)
    return answer.status_code


@pytest.mark.parametrize("path", [path for path in READS if path not in ("health", "requests/1")])
async def test_a_viewer_reads(console: Console, path: str) -> None:
    console.log_in("viewer")
    answer = await console.http.get(f"/api/{path}")
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("path", ACTIONS)
async def test_a_viewer_does_not_act_and_sees_no_personal_data(console: Console, path: str) -> None:
    failed = console.request("FAILED")
    console.log_in("viewer")
    body = {"request_ids": [failed]} if "request_ids" in ACTIONS[path] else ACTIONS[path]
    answer = await console.post(path.replace("/1/", f"/{failed}/"), **body)
    assert answer.status_code == 403
    assert console.timeline(failed) == []


async def test_a_viewer_does_not_ask_by_metadata(console: Console) -> None:
    console.log_in("viewer")
    answer = await console.http.get("/api/requests", params={"metadata": "POLICY_NUMBER:1"})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-OMS-Console": "1", "Content-Type": "text/plain"}, 415),
        ({"X-OMS-Console": "1", "Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "application/json"}, 403),
        (JSON | {"Origin": "https://evil.example"}, 403),
        (JSON | {"Sec-Fetch-Site": "cross-site"}, 403),
        (JSON | {"Sec-Fetch-Site": "same-site"}, 403),
        (JSON | {"Origin": "http://console", "Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
async def test_no_other_site_acts(console: Console, headers: dict[str, str], status: int) -> None:
    failed = console.request("FAILED")
    answer = await console.http.post("/api/retriggers", content=f'{{"request_ids": [{failed}]}}', headers=headers)
    assert answer.status_code == status
    assert bool(console.timeline(failed)) == (status == 200)


async def test_the_pages_let_no_script_of_others_in(console: Console) -> None:
    answer = await console.http.get("/search")
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert "frame-ancestors 'self'" in policy
