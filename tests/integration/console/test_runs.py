"""Runs in the console: the page, the search's filter, the release."""

from __future__ import annotations

import pytest

from tests.integration.console.browser import Pages, needs_browser
from tests.integration.console.conftest import JSON, Console


def a_run(console: Console, expected: int, *, is_held: bool = False, name: str = "JUNE") -> int:
    """An open run; its id."""
    (run_id,) = console.db.execute(
        """INSERT INTO runs (source_system, name, content_hash, expected, proofs, deadline, opened_by)
           VALUES ('CIBT', %s, '', %s, 0, now() + interval '1 hour', 'client:batch') RETURNING run_id""",
        [name, expected],
    ).fetchone() or (0,)
    if is_held:
        console.db.execute(
            """INSERT INTO request_holds (source_system, run_id, reason, held_by)
               VALUES ('CIBT', %s, 'the run waits', 'client:batch')""",
            [run_id],
        )
    return int(run_id)


async def test_runs_are_shown_with_their_counts_newest_first(console: Console) -> None:
    older = a_run(console, 3)
    for status in ("QUEUED", "COMPLETED"):
        console.request(status, run_id=older)
    console.request()
    newer = a_run(console, 1, is_held=True, name="JULY")
    newest, oldest = (await console.get("runs"))["items"]
    assert (newest["run_id"], newest["received"], newest["hold_id"] is None) == (newer, 0, False)
    assert (oldest["run_id"], oldest["received"], oldest["missing"], oldest["completed"]) == (older, 2, 1, 1)
    console.db.execute("UPDATE runs SET closed_at = now(), closed_by = 'a', completed_at = now() WHERE name = 'JULY'")
    assert [run["run_id"] for run in (await console.get("runs", open_only=True))["items"]] == [older]
    assert [run["run_id"] for run in (await console.get("runs", before=newer))["items"]] == [older]


async def test_the_search_finds_the_requests_of_a_run(console: Console) -> None:
    run_id = a_run(console, 2)
    mine = [console.request(run_id=run_id) for _ in range(2)]
    console.request()
    found = await console.get("requests", run_id=run_id)
    assert [row["request_id"] for row in found["items"]] == mine[::-1]
    assert (await console.get(f"requests/{mine[0]}"))["run_id"] == run_id


async def test_an_operator_releases_a_run_as_any_hold(console: Console) -> None:
    run_id = a_run(console, 2, is_held=True)
    console.request(run_id=run_id)
    console.request()
    (hold,) = await console.get("holds")
    assert (hold["subject"], hold["number"]) == (f"source_system: CIBT; run_id: {run_id}", 1)
    answer = await console.http.request(
        "DELETE", f"/api/holds/{hold['hold_id']}", json={"reason": "looked at"}, headers=JSON
    )
    assert (answer.status_code, answer.json()) == (200, [])
    (run,) = (await console.get("runs"))["items"]
    assert run["released_by"] == "airflow:ada"
    assert console.trail() == [("airflow:ada", "release", f"source_system: CIBT; run_id: {run_id}", "looked at")]


@needs_browser
@pytest.mark.integration
def test_the_page_leads_to_the_requests_and_releases(console: Console, pages: Pages) -> None:
    run_id = a_run(console, 3, is_held=True)
    console.request(run_id=run_id)
    console.request("FAILED", run_id=run_id)
    console.request("FAILED")
    pages.open("runs")
    pages.see("td", "waits for its release")
    pages.click("td button", "Release")
    pages.see("dialog", "1 queued request")
    pages.see("#form-reason").send_keys("the proofs are right")
    pages.click("dialog button.main", "Release")
    pages.see("td", "1 missing")
    pages.click('td[data-label="Red"] a', "1")
    pages.see(".count", "1–1 of 1")
