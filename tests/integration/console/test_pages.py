"""The console's pages in a real browser: what they show, keep and refuse."""

from __future__ import annotations

import asyncio
import io
import itertools
from collections.abc import Iterator
from typing import Any

import httpx
import pypdf
import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.integration.console.browser import Pages, listening, needs_browser, wait_for
from tests.integration.console.conftest import Console, work
from tests.integration.console.test_runs import a_run

pytestmark = [needs_browser, pytest.mark.integration]

NEW_YORK = "America/New_York"
REFRESH = "document.dispatchEvent(new Event('visibilitychange'))"


@pytest.fixture
def thunderhead(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A Thunderhead that has a document for every id."""
    with listening(Document()) as url:
        monkeypatch.setenv("AIRFLOW_CONN_THUNDERHEAD_API", url)
        yield url


class Document:
    """Answers every call with a PDF of one page."""

    def __init__(self) -> None:
        writer, file = pypdf.PdfWriter(), io.BytesIO()
        writer.add_blank_page(300, 300)
        writer.write(file)
        self.content = file.getvalue()

    async def __call__(self, scope: Any, _receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        headers = [(b"content-type", b"application/pdf")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self.content})


# -- a stale page undoes nothing ------------------------------------------------------------------


def test_a_stale_page_does_not_undo_a_colleagues_pause(console: Console, pages: Pages) -> None:
    pages.open("systems")
    pages.click("section:last-of-type button, section button", "Change limits")
    pages.fill("#form-most_in_flight", "9")
    console.db.execute(
        "UPDATE outside_systems SET paused_at = now(), paused_by = 'airflow:bob', paused_why = 'it prints nonsense'"
        " WHERE system = 'THUNDERHEAD'"
    )
    pages.click("dialog button.main", "Set limits")
    pages.see("dialog .note.bad", "now paused by airflow:bob (it prints nonsense)")
    assert pages.script("return document.querySelector('#form-most_in_flight').value") == "9"
    pages.photograph("stale-page")
    pages.click("dialog button", "Cancel")
    pages.script(REFRESH)
    pages.see(".note.warn", "Paused by airflow:bob")
    assert console.db.execute("SELECT count(*) FROM outside_systems WHERE most_in_flight = 9").fetchone() == (0,)


def test_the_systems_page_shows_what_others_have_changed(console: Console, pages: Pages) -> None:
    pages.open("systems")
    pages.see(".note.good", "In use")
    console.db.execute("UPDATE outside_systems SET failures = 1 WHERE system = 'KAFKA'")
    pages.script(REFRESH)
    pages.see(".note.good", "On probation after 1 outage.")


def test_the_former_address_of_the_systems_page_works(pages: Pages) -> None:
    pages.open("dial")
    pages.see("h1", "Outside systems")
    pages.see("header a[aria-current]", "Outside systems")


# -- reference data -------------------------------------------------------------------------------


def add(pages: Pages, value: str) -> None:
    """Fill in the form of the global default."""
    pages.click("button.main", "Add")
    for name, text in (("footerId", "0"), ("appDocSpec", "*"), ("code", "BATCH_CONFIG_ID")):
        pages.see(f"#form-{name} option[value='{text}']").click()
    pages.see("#form-value").send_keys(value)


def test_a_configuration_is_chosen_checked_told_and_undone(console: Console, pages: Pages, reference_api: None) -> None:
    pages.open("reference")
    add(pages, "not-a-number")
    pages.see("dialog .note.warn", "Ends row")
    pages.click("dialog button.main", "Add")
    pages.see("dialog .note.bad", "the value of BATCH_CONFIG_ID must be a whole number")
    field = pages.see("#form-value")
    assert field.get_attribute("value") == "not-a-number"
    pages.photograph("wrong-value")
    field.clear()
    field.send_keys("1001")
    pages.click("dialog button.main", "Add")
    pages.see("table td", "1001")
    in_force = (
        "SELECT value FROM document_configurations WHERE footer_id = '0' AND app_doc_spec = '*'"
        " AND code = 'BATCH_CONFIG_ID' AND effect_from_dat <= CURRENT_DATE AND CURRENT_DATE < effect_to_dat"
    )
    assert console.db.execute(in_force).fetchall() == [("1001",)]
    pages.click("#said button", "Undo")
    pages.see("#said", "Undone")
    assert console.db.execute(in_force).fetchall() == [("1000",)]


def test_a_schema_is_written_refused_with_its_place_changed_and_undone(
    console: Console, pages: Pages, reference_api: None
) -> None:
    pages.open("reference?type=DOCUMENT_SCHEMA")
    pages.click("button.main", "Add")
    pages.see("#form-documentName option[value='POSHOOFF']").click()
    pages.see("#form-mode option[value='warn']").click()
    pages.see("#form-schema").send_keys('{"type": "strng"}')
    pages.click("dialog button.main", "Add")
    pages.see("dialog .note.bad", "/schema/type")
    pages.fill("#form-schema", '{"type": "object"')
    pages.click("dialog button.main", "Add")
    pages.see("dialog .note.bad", "The schema is no JSON")
    pages.see("#form-schema").send_keys("}")
    pages.click("dialog button.main", "Add")
    pages.see("table td", "17 bytes")
    pages.click("table button", "Change")
    pages.see("#form-mode option[value='refuse']").click()
    pages.click("dialog button.main", "Change")
    in_force = "SELECT mode, schema FROM document_schemas WHERE CURRENT_DATE < effect_to_dat"
    pages.see("table td", "refuse")
    assert console.db.execute(in_force).fetchall() == [("refuse", {"type": "object"})]
    pages.photograph("schema")
    pages.click("#said button", "Undo")
    pages.see("#said", "Undone")
    assert console.db.execute(in_force).fetchall() == [("warn", {"type": "object"})]


# -- the tab of a run -----------------------------------------------------------------------------


def test_a_tab_tells_what_a_clear_drives_and_what_ended_elsewhere(console: Console, pages: Pages) -> None:
    mine, elsewhere, done = console.request("FAILED"), console.request("FAILED"), console.request("COMPLETED")
    for request_id in (mine, elsewhere):
        console.error(request_id, "VALIDATION_ERROR")
    slice_id = console.slice("document_processing", "run", 0, mine, elsewhere, done)
    other = console.slice("document_processing", "later", 3, elsewhere)
    console.db.execute("UPDATE document_requests SET slice_id = %s WHERE request_id = %s", [slice_id, mine])
    console.db.execute("UPDATE document_requests SET slice_id = %s WHERE request_id = %s", [other, elsewhere])
    pages.open("slices?dag_id=document_processing&run_id=run")
    pages.see(".note.bad", "Clearing the 1 red task instance of this run tries 1 request again")
    assert [it.text for it in pages.driver.find_elements(By.CSS_SELECTOR, "h2")] == [
        "By error", "What a clear drives (1)", "Red, but ended elsewhere (1)", "All others (1)",
    ]  # fmt: skip
    link = pages.see("table[aria-label='Red, but ended elsewhere'] td a.out")
    assert "/runs/later/" in str(link.get_attribute("href"))
    pages.photograph("tab-of-a-run")
    console.db.execute("UPDATE document_requests SET slice_id = %s WHERE request_id = %s", [other, mine])
    pages.script(REFRESH)
    pages.see(".note.good", "The requests that are red here ended in another run")


def test_a_runs_tab_sums_up_by_slice_and_by_error(console: Console, pages: Pages) -> None:
    for ordinal, (failed, done) in enumerate(((2, 1), (1, 3))):
        ids = [console.request("FAILED") for _ in range(failed)]
        slice_id = console.slice(
            "document_processing", "run", ordinal, *ids, *(console.request("COMPLETED") for _ in range(done))
        )
        for request_id in ids:
            console.error(request_id, "VALIDATION_ERROR" if request_id != ids[0] else "PROCESSING_ERROR")
            console.db.execute(
                "UPDATE document_requests SET slice_id = %s WHERE request_id = %s", [slice_id, request_id]
            )
    pages.open("slices?dag_id=document_processing&run_id=run")
    pages.see("table[aria-label='By error']")

    def rows(name: str) -> list[list[str]]:
        found = pages.driver.find_elements(By.CSS_SELECTOR, f"table[aria-label='{name}'] tbody tr")
        return [[cell.text for cell in row.find_elements(By.TAG_NAME, "td")] for row in found]

    assert rows("By error") == [["PROCESSING_ERROR", "FAILED", "2", "2"], ["VALIDATION_ERROR", "FAILED", "1", "1"]]
    assert rows("By slice") == [
        ["1: a slice process_slice [0]", "1", "0", "2", "0"], ["2: a slice process_slice [1]", "3", "0", "1", "0"],
    ]  # fmt: skip


# -- acting ---------------------------------------------------------------------------------------


def test_enter_does_not_retrigger_and_several_need_a_reason(console: Console, pages: Pages) -> None:
    ids = [console.request("FAILED") for _ in range(2)]
    pages.open(f"requests/{ids[0]}")
    pages.click("button", "Retrigger")
    pages.see("dialog", "Retrigger 1 request?")
    pages.driver.switch_to.active_element.send_keys(Keys.ENTER)
    pages.gone("dialog")
    assert console.timeline(ids[0]) == []
    pages.open("search?state=needs_person")
    pages.click("th input")
    pages.click(".bar button", "Retrigger (2)")
    pages.click("dialog button.main", "Retrigger")
    assert pages.look("dialog", "Retrigger 2 requests?")
    pages.see("#form-reason").send_keys("the template is mended")
    pages.photograph("retrigger-two")
    pages.click("dialog button.main", "Retrigger")
    pages.see("dialog", "2 requests done")
    pages.click("dialog button.main", "Close")
    assert {event for one in ids for event, _ in console.timeline(one)} == {"RETRIGGERED"}


def test_everything_is_done_by_keyboard_alone(console: Console, pages: Pages) -> None:
    mine = console.request("FAILED")
    pages.open("search?state=needs_person")
    pages.see(f"input[aria-label='Select request {mine}']")

    def tab_to(css: str, text: str = "") -> Any:
        for _ in range(80):
            active = pages.driver.switch_to.active_element
            if pages.script(
                "return arguments[0].matches(arguments[1]) && arguments[0].textContent.includes(arguments[2])",
                active, css, text,
            ):  # fmt: skip
                return active
            ActionChains(pages.driver).send_keys(Keys.TAB).perform()
        raise AssertionError(f"the tab key never comes to {css}")

    tab_to(".bar button", "Retrigger all that match").send_keys(Keys.ENTER)
    pages.see("dialog", "Retrigger 1 request?")
    tab_to("dialog button", "Cancel").send_keys(Keys.ENTER)
    pages.gone("dialog")
    assert "Retrigger all that match" in pages.driver.switch_to.active_element.text
    tab_to("dialog button.main, .bar button", "Retrigger all that match").send_keys(Keys.ENTER)
    tab_to("#form-reason").send_keys("mended")
    tab_to("dialog button.main", "Retrigger").send_keys(Keys.ENTER)
    pages.see("h1", "Operation 1 running")
    assert console.trail() == [("airflow:ada", "retrigger", "state: needs_person", "mended")]
    assert console.timeline(mine) == []


def test_a_bulk_operation_is_asked_for_approved_by_another_and_told_request_by_request(
    console: Console, pages: Pages
) -> None:
    ids = [console.request("FAILED") for _ in range(101)]
    pages.open("search?state=needs_person")
    pages.see("details.fold summary", "More").click()
    pages.click("button", "Resolve all that match")
    pages.see("dialog .note.warn", "approval of a second person")
    pages.see("#form-reason").send_keys("sent by hand")
    pages.photograph("bulk-dialog")
    pages.click("dialog button.main", "Resolve")
    pages.see("h1", "Operation 1 waits for approval")
    assert pages.look("button", "Approve") is None, "who asked does not approve"
    pages.driver.add_cookie({"name": "user", "value": "bob"})
    pages.open("bulk")
    pages.see(".note.warn", "1 operation waits for a second person")
    pages.photograph("bulk-waits")
    pages.click("button", "Approve")
    pages.click("dialog button.main", "Approve")
    pages.see(".badge", "running")
    asyncio.run(work(console))
    pages.open("bulk/1")
    pages.see("h1", "Operation 1 done")
    pages.see("td", "resolved")
    pages.see(".facts", "approved by airflow:bob")
    assert len(pages.driver.find_elements(By.CSS_SELECTOR, "table[aria-label='Answers'] tbody tr")) == len(ids)
    pages.photograph("bulk-done")


def test_a_double_click_asks_one_question(console: Console, pages: Pages) -> None:
    console.request("FAILED")
    pages.open("search?state=needs_person")
    button = pages.see(".bar button", "Retrigger all that match")
    pages.script(
        """const call = window.fetch; window.calls = [];
        window.fetch = (url, ...more) => { window.calls.push(url); return call(url, ...more) };
        arguments[0].click(); arguments[0].click()""",
        button,
    )
    pages.see("dialog", "Retrigger 1 request?")
    counts = [url for url in pages.script("return window.calls") if "/counts" in url]
    assert counts == ["/oms/api/bulk-operations/counts"]
    pages.click("dialog button", "Cancel")
    pages.gone("dialog")
    pages.click(".bar button", "Retrigger all that match")
    pages.see("dialog", "Retrigger 1 request?")


# -- times ----------------------------------------------------------------------------------------


def test_what_is_typed_and_what_is_shown_are_in_airflows_zone(console: Console, pages: Pages) -> None:
    pages.open("search")
    pages.set("timezone", f'"{NEW_YORK}"')
    console.request(created_at="2026-07-01T12:00:00Z")
    before = console.request(created_at="2026-07-01T11:59:59Z")
    pages.open("search")
    pages.fill("#created_from", "2026-07-01T08:00:00")
    pages.see("label", NEW_YORK)
    pages.click("form.search button.main")
    pages.see("table td time", "2026-07-01 08:00:00")
    assert not pages.look(f"table a[href$='/requests/{before}']")
    assert "2026-07-01T12%3A00%3A00.000Z" in pages.driver.current_url
    assert pages.see("#created_from").get_attribute("value") == "2026-07-01T08:00"


HOURS = [
    ("Europe/Berlin", "2026-10-25T02:30:00", ["2026-10-25T00:30:00.000Z", "2026-10-25T01:30:00.000Z"]),
    ("Europe/Berlin", "2026-03-29T02:30:00", ["2026-03-29T01:30:00.000Z"]),
    ("Europe/Berlin", "2026-07-01T08:00", ["2026-07-01T06:00:00.000Z"]),
    (NEW_YORK, "2026-11-01T01:30:00", ["2026-11-01T05:30:00.000Z", "2026-11-01T06:30:00.000Z"]),
    ("Asia/Kolkata", "2026-01-01T00:00:00", ["2025-12-31T18:30:00.000Z"]),
    ("UTC", "nonsense", []),
]


@pytest.mark.parametrize(("zone", "typed", "instants"), HOURS)
def test_a_typed_time_means_these_instants(pages: Pages, zone: str, typed: str, instants: list[str]) -> None:
    pages.open("search")
    assert pages.module("times.js", "return it.instantsOf(...given)", typed, zone) == instants


def test_the_hour_that_comes_twice_survives_a_round_trip(pages: Pages) -> None:
    pages.open("search")
    pages.set("timezone", "Europe/Berlin")
    for instant in ("2026-10-25T00:30:00.000Z", "2026-10-25T01:30:00.000Z"):
        pages.open(f"search?created_from={instant}")
        assert pages.see("#created_from").get_attribute("value") == "2026-10-25T02:30"
        pages.click("form.search button.main")
        pages.see("h1", "Search")
        assert instant.replace(":", "%3A") in pages.driver.current_url


# -- numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tile", "columns"),
    [("Need a person", {"status": "FAILED"}), ("Due", {}), ("Waiting", {"due_at": "2100-01-01T00:00:00Z"})],
)
def test_a_tile_opens_exactly_what_it_counts(
    console: Console, pages: Pages, tile: str, columns: dict[str, Any]
) -> None:
    console.request("COMPLETED")
    for other in ({"status": "FAILED"}, {}, {"due_at": "2100-01-01T00:00:00Z"}):
        console.request(**other)
    mine = console.request(**columns)
    pages.open()
    pages.see(".tile", f"{tile}\n2\noldest")
    pages.click(".tile", tile)
    pages.see(".count", "1–2 of 2")
    pages.see("table a", str(mine))


def test_a_clients_figures_open_exactly_what_they_count(console: Console, pages: Pages) -> None:
    for status in ("COMPLETED", "FAILED", "QUEUED"):
        console.request(status)
    old = console.request("COMPLETED")
    console.db.execute("UPDATE document_requests SET ended_at = now() - interval '9 h' WHERE request_id = %s", [old])
    # what ends at this very moment counts with the next second
    console.db.execute("UPDATE document_requests SET ended_at = ended_at - interval '1 s'")
    pages.open()
    pages.see("table[aria-label='Ends by client and document'] a", "1 (50.0 %)")
    pages.click("table[aria-label='Ends by client and document'] a", "2")
    pages.see(".count", "1–2 of 2")


@pytest.mark.parametrize(("figure", "number"), [("Open", 3), ("Requests this hour", 2)])
def test_the_figures_of_a_quota_open_exactly_what_they_count(
    console: Console, pages: Pages, figure: str, number: int
) -> None:
    for columns in (
        {}, {"status": "COMPLETED"}, {"created_at": "2026-01-01T00:00:00Z"}, {"source_system": "ARCADE"},
        {"status": "PROCESSING", "created_at": "2026-01-01T00:00:00Z"},
    ):  # fmt: skip
        console.request(**columns)
    console.db.execute(  # what is open was counted when the client last called
        """INSERT INTO source_system_usage (source_system, hour, requests, bytes, open_requests)
           VALUES ('CIBT', now() - interval '1 minute', 2, 200, 99)"""
    )
    pages.open()
    pages.click(f"td[data-label='{figure}'] a", str(number))
    pages.see(".count", f"1–{number} of {number}")


@pytest.mark.parametrize(
    ("figure", "number"),
    [
        (".tile[href*=COMPLETED]", 2),
        (".legend .accepted a", 7),
        (".legend .completed a", 2),
        (".legend .failed a", 3),
        (".legend .stopped a", 1),
        ("table a[href*='category=TIMEOUT_ERROR']", 1),
        ("table a[href*='cause=']", 3),
    ],
)
def test_a_figure_of_the_dashboard_opens_exactly_what_it_counts(
    console: Console, pages: Pages, figure: str, number: int
) -> None:
    failed = console.request("FAILED")
    for status in ("COMPLETED", "COMPLETED", "FAILED", "FAILED", "QUEUED"):
        console.request(status)
    stopped = console.request("STOPPED")
    console.error(stopped, "CANCELLED", "withdrawn by its client")
    timed_out = console.request("FAILED", created_at="2020-01-01T00:00:00Z")
    console.error(timed_out, "TIMEOUT_ERROR")
    long_ago = "now() - interval '1 day'"
    console.db.execute(
        f"UPDATE document_requests SET ended_at = {long_ago}, created_at = {long_ago} WHERE request_id = %s",
        [timed_out],
    )
    # what comes and ends at this very moment counts with the next second
    console.db.execute(
        "UPDATE document_requests SET ended_at = ended_at - interval '1 s', created_at = created_at - interval '1 s'"
    )
    assert failed
    pages.open()
    pages.click(figure)
    pages.see(".count", f"1–{number} of {number}" if number > 1 else "1–1 of 1")


def test_an_idle_dashboard_asks_twelve_times_a_minute_and_gets_two_kilobytes_at_most(
    console: Console, pages: Pages
) -> None:
    """Counted in the browser: each call of a minute, with its headers, after the first one."""
    console.request("FAILED")
    pages.open("?over=7d")  # a step of it begins every two hours, and is news
    pages.see(".tiles")
    pages.script("performance.clearResourceTimings()")
    asked = "return performance.getEntriesByType('resource').map((it) => [it.startTime, it.transferSize, it.name])"
    wait_for("four rounds", lambda: len(pages.script(asked)) >= 4)
    rounds = pages.script(asked)
    assert all("/api/dashboard" in name for _, _, name in rounds), "one call a round"
    pauses = [later - sooner for (sooner, _, _), (later, _, _) in itertools.pairwise(rounds)]
    assert min(pauses) >= 4_900, "12 a minute"
    assert max(size for _, size, _ in rounds) <= 2_000


# -- stop the press ---------------------------------------------------------------------------------


def test_all_that_match_a_search_are_held_and_the_number_opens_them(console: Console, pages: Pages) -> None:
    for campaign in ("4711", "4712"):
        console.request(metadata={"CAMPAIGN": campaign})
    pages.open("search?metadata=CAMPAIGN:4711")
    pages.click("summary", "More")
    pages.click("button", "Hold all that match")
    pages.see("#form-reason").send_keys("wrong letters")
    pages.click("dialog button.main", "Hold")
    held = pages.see("table[aria-label='Holds']", "metadata: CAMPAIGN:…").text
    assert "wrong letters" in held
    assert "4711" not in held, "personal data"
    pages.click("table[aria-label='Holds'] td a", "1")
    pages.see(".count", "1–1 of 1")
    pages.see(".chips", "hold id: 1")


def test_a_filter_that_no_queued_request_can_meet_is_refused_in_the_dialog(console: Console, pages: Pages) -> None:
    console.request("FAILED")
    pages.open("search?status=FAILED")
    pages.click("summary", "More")
    pages.click("button", "Hold all that match")
    pages.see("#form-reason").send_keys("wrong letters")
    pages.click("dialog button.main", "Hold")
    pages.see("dialog .note.bad", "a hold is of queued requests")
    assert pages.see("#form-reason").get_attribute("value") == "wrong letters"
    assert console.db.execute("SELECT count(*) FROM request_holds").fetchone() == (0,)


def test_a_source_system_is_limited_until_a_time_and_no_longer(console: Console, pages: Pages) -> None:
    pages.open("systems")
    pages.click("button", "Limit a source system")
    pages.see("#form-source_system").send_keys("CIBT")
    pages.see("#form-most_per_second").send_keys("5")
    pages.fill("#form-until", "2100-01-01T08:00")
    pages.click("dialog button.main", "Set limits")
    pages.see("table[aria-label='Limits of source systems']", "2100-01-01 08:00:00")
    pages.click("button", "Change …")
    pages.see("#form-most_per_second").clear()
    pages.click("dialog button.main", "Set limits")
    pages.see("section", "No source system has a limit of its own")


# -- what is not known ----------------------------------------------------------------------------


def test_health_that_cannot_be_asked_is_grey_and_the_page_stays(console: Console, pages: Pages) -> None:
    console.request("FAILED")
    pages.open()
    pages.see(".tile", "Need a person\n1")
    pages.log_in(None)
    pages.script(REFRESH)
    pages.see("#banner", "Out of date since")
    login = pages.see("#banner a", "Log in")
    assert "/auth/login?next=" in str(login.get_attribute("href"))
    assert len(pages.driver.find_elements(By.CSS_SELECTOR, ".health.unknown")) == 4
    pages.see(".tile", "Need a person\n1")
    pages.photograph("not-fresh")
    pages.log_in("op")
    pages.open("systems")
    pages.see(".note.good", "In use")
    pages.log_in(None)
    pages.script(REFRESH)
    pages.see(".note.quiet", "Not known since")
    assert pages.look(".note.good") is None
    pages.log_in("op")
    pages.open()
    pages.log_in(None)
    pages.script(REFRESH)
    pages.see(".health.unknown")
    pages.log_in("op")
    pages.script(REFRESH)
    pages.gone("#banner .note")
    pages.gone(".health.unknown")


# -- texts ----------------------------------------------------------------------------------------

LONG = 9_007_199_254_740_993  # 2^53 + 1: a double has another


def test_no_digit_of_a_long_id_is_lost(console: Console, pages: Pages) -> None:
    mine = console.request("COMPLETED")
    console.db.execute(
        "INSERT INTO thunderhead_batches (request_id, attempt, batch_name, batch_config_id, status,"
        " thunderhead_batch_id) VALUES (%s, 1, 'b', '1', 'COMPLETED', %s)",
        [mine, LONG],
    )
    pages.open(f"search?batch_id={LONG}")
    pages.see("table td", str(LONG))


JSONS = [
    ('{"a":[1.00,12345678901234567890,{}],"b":"\\u00e4\\n{,"}',
     '{\n  "a": [\n    1.00,\n    12345678901234567890,\n    {}\n  ],\n  "b": "ä\\n{,"\n}'),
    ("[]", "[]"), ('"x"', '"x"'),
]  # fmt: skip


@pytest.mark.parametrize(("text", "laid_out"), JSONS)
def test_json_is_laid_out_and_stays_as_it_was_written(pages: Pages, text: str, laid_out: str) -> None:
    pages.open("search")
    assert pages.module("json.js", "return it.pretty(...given)", text) == laid_out


def test_a_request_leads_to_its_problems_page_and_has_an_address(console: Console, pages: Pages) -> None:
    mine = console.request("FAILED")
    console.error(mine, "OVERDUE", stage="MONITORING")
    pages.open(f"requests/{mine}")
    pages.see("button[aria-label='Copy the address of this page']")
    assert pages.driver.title == f"Request {mine} · OMS"
    pages.click("a", "About OVERDUE")
    pages.see("h1", "OVERDUE: ")
    assert "`" not in pages.see("main").text


def test_the_one_box_offers_what_begins_with_the_text(console: Console, pages: Pages) -> None:
    for name in ("SPRING-1", "SPRING-2", "OTHER"):
        console.request(request_correlation_id=name)
    pages.open("search")
    pages.see("#q").send_keys("SPRING-" + Keys.ENTER)
    pages.see(".begins", "SPRING-1")
    pages.photograph("begins-with")
    pages.click(".begins a", "SPRING-2")
    pages.see(".count", "1–1 of 1")


def test_a_search_is_sorted_and_its_pages_keep_the_order(console: Console, pages: Pages) -> None:
    ids = [console.request() for _ in range(51)]
    pages.open("search")
    pages.click(".pick a", "Oldest first")
    pages.see(".pick a[aria-current]", "Oldest first")
    assert pages.see("tbody tr:first-child a").text == str(ids[0])
    pages.photograph("sorted")
    pages.click("a[rel=next]", "Next page")
    pages.see(".count", "51–51 of 51")
    pages.see("tbody tr:first-child a", str(ids[-1]))
    pages.see(".pick a[aria-current]", "Oldest first")


def test_a_search_is_saved_under_a_name_without_personal_data(console: Console, pages: Pages) -> None:
    pages.open("search?document=POSHOOFF&metadata=POLICY_ID:4711")
    pages.click("button", "Save this search")
    pages.see("#form-name").send_keys("letters")
    pages.click("dialog button.main", "Save")
    pages.open("search")
    pages.click("[aria-label='Saved views'] a", "letters")
    pages.see(".chips", "document: POSHOOFF")
    assert pages.driver.current_url.endswith("/search?document=POSHOOFF")
    pages.click("[aria-label='Forget the view letters']")
    pages.open("search")
    pages.see("form.find")
    assert pages.look("[aria-label='Saved views'] a") is None


def test_on_a_phone_the_form_of_the_search_folds_away(pages: Pages) -> None:
    pages.size(390)
    pages.open("search")
    pages.see("form.find")
    assert pages.look("form.search") is None
    pages.click("summary", "Search by")
    pages.see("form.search")


def test_two_attempts_stand_side_by_side(console: Console, pages: Pages) -> None:
    mine = console.request("FAILED")
    for attempt, name in ((1, "Ada"), (2, "Bob"), (3, "Bob")):
        console.batch(mine, attempt, "FAILED", xml=f"<letter><to>{name}</to><n>1</n></letter>")
        console.db.execute(
            "INSERT INTO request_errors (request_id, revision, attempt, stage, category, description)"
            " VALUES (%s, 1, %s, 'GENERATION', 'PROCESSING_ERROR', 'x')",
            [mine, attempt],
        )
    pages.open(f"requests/{mine}")
    pages.see("table[aria-label='Two attempts side by side']", "PROCESSING_ERROR at GENERATION")
    pages.see("select[aria-label='The attempt on the left'] option[value='1']").click()
    pages.see("table[aria-label='Two attempts side by side'] td", f"OMS-{mine}-1")
    pages.click("button", "Show both XMLs")
    pages.see("pre[aria-label='XML of attempt 3'] mark", "<to>Bob</to>")
    assert [it.text for it in pages.driver.find_elements(By.TAG_NAME, "mark")] == ["<to>Ada</to>", "<to>Bob</to>"]
    assert [it[2] for it in console.trail()] == ["xml of attempt 1", "xml of attempt 3"]
    pages.photograph("two-attempts")
    assert pages.violations() == []


def test_a_document_is_shown_in_the_page_on_an_audited_look(console: Console, pages: Pages, thunderhead: str) -> None:
    mine = console.request("COMPLETED")
    console.batch(mine, 1, dms_document_id=77)
    pages.open(f"requests/{mine}")
    pages.click("button", "Show PDF")
    frame = pages.see("iframe.pdf")
    assert str(frame.get_attribute("src")).startswith("blob:")
    assert console.trail() == [("airflow:ada", "look", "pdf", None)]
    pages.photograph("pdf")
    refused = [it["message"] for it in pages.driver.get_log("browser") if "Content Security Policy" in it["message"]]
    assert refused == []


def test_in_airflows_frame_a_document_is_shown_above_airflows_page(
    console: Console, pages: Pages, thunderhead: str
) -> None:
    """The frame has a sandbox, and in a sandbox a browser shows no PDF."""
    mine = console.request("COMPLETED")
    console.batch(mine, 1, dms_document_id=77)
    pages.driver.get(f"{pages.url}/plugin/oms/oms/requests/{mine}")
    pages.driver.switch_to.frame(pages.see("iframe[title=OMS]"))
    pages.click("button", "Show PDF")
    pages.driver.switch_to.default_content()
    assert str(pages.see("dialog iframe").get_attribute("src")).startswith("blob:")
    pages.photograph("pdf-in-airflow")
    pages.click("dialog button", "Close")
    pages.gone("dialog")


def test_a_day_that_does_not_add_up_leads_to_its_requests(console: Console, pages: Pages) -> None:
    mine = console.request(created_at="2026-11-26T12:00:00Z")
    console.reconciliation(
        "2026-11-26", {"kind": "IN_NOBODYS_HANDS", "request_id": mine, "batch_name": None, "detail": "nobody has it"},
        requests_in=1, IN_NOBODYS_HANDS=1,
    )  # fmt: skip
    pages.open("reconciliations")
    pages.see("td", "1 discrepancy")
    pages.click("td a", "2026-11-26")
    pages.see("h2", "IN_NOBODYS_HANDS (1)")
    assert pages.see("table[aria-label='IN_NOBODYS_HANDS'] a").text == str(mine)
    pages.photograph("reconciliation")
    pages.click("table[aria-label='Figures'] a", "1")
    pages.see(".count", "1–1 of 1")


@pytest.mark.parametrize(
    ("text", "said"),
    [("it.dueIn(new Date().toISOString())", "due now"), ("it.duration(119)", "119 s"), ("it.duration(7300)", "2 h")],
)
def test_words_of_times(pages: Pages, text: str, said: str) -> None:
    pages.open("search")
    assert pages.module("times.js", f"return {text}") == said


def test_a_filter_in_the_address_is_the_filter_of_the_api(pages: Pages) -> None:
    pages.open("search")
    query = f"status=FAILED&status=STOPPED&withdrawn=false&request_id={LONG}&after=7&n=51&order=oldest&document="
    made = pages.module("filter.js", "return it.filterOf(new URLSearchParams(given[0]))", query)
    assert made == {"status": ["FAILED", "STOPPED"], "withdrawn": False, "request_id": str(LONG)}


# -- the page stays as it is ----------------------------------------------------------------------


def test_a_refresh_keeps_the_focus_what_is_unfolded_and_what_is_selected(console: Console, pages: Pages) -> None:
    mine = console.request("FAILED")
    console.error(mine, "CONFIGURATION_ERROR", "no date of birth")
    pages.open("search")
    pages.click("details.error summary")
    box = pages.see(f"input[aria-label='Select request {mine}']")
    box.click()
    newer = console.request("FAILED")
    pages.script(REFRESH)
    pages.see("table a", str(newer))
    assert pages.look("details.error p", "date of birth")
    assert pages.driver.switch_to.active_element == box
    assert box.is_selected()
    pages.see(".bar", "1 request selected")


def test_a_dark_page_is_dark_before_it_is_drawn(pages: Pages) -> None:
    pages.open("search")
    pages.set("theme", "dark")
    pages.open("search")
    page = httpx.get(f"{pages.url}/oms/search").text
    assert page.index("theme.js") < page.index("console.css")
    assert "<script src" in page[: page.index("theme.js")]
    assert pages.script("return getComputedStyle(document.body).backgroundColor") == "rgb(22, 27, 42)"


# -- everybody can read it ------------------------------------------------------------------------


LONG_WORD = "x" * 100  # the longest name; a reason may be longer


@pytest.fixture
def busy(console: Console) -> int:
    """A console with something of everything; the id of a failed request."""
    console.request(due_at="2100-01-01T00:00:00Z", spent=1)
    console.request("COMPLETED")
    mine = console.request("FAILED", metadata={"POLICY_ID": "P"})
    console.error(mine, "VALIDATION_ERROR", "the template needs a date of birth")
    slice_id = console.slice("document_processing", "run", 0, mine)
    console.db.execute("UPDATE document_requests SET slice_id = %s WHERE request_id = %s", [slice_id, mine])
    console.batch(mine, 1, "FAILED")
    console.batch(mine, 2, "FAILED")
    wrong = {"kind": "ORPHAN", "request_id": mine, "batch_name": f"OMS-{mine}-1", "detail": "not known here"}
    console.reconciliation("2026-11-25", requests_in=3)
    console.reconciliation("2026-11-26", wrong, requests_in=5, ORPHAN=1)
    a_run(console, 3)
    console.db.execute(
        """INSERT INTO bulk_operations (action, selection, subject, reason, actor, door, per_second, counted,
               counted_at, state)
           VALUES ('retrigger', '{}', %(long)s, %(long)s, 'airflow:bob', 'console', 50, 4711, now(), 'WAITING')""",
        {"long": LONG_WORD},
    )
    console.db.execute("INSERT INTO bulk_operation_answers VALUES (1, %s, 'retriggered')", [str(mine)])
    console.db.execute(
        """INSERT INTO request_holds (source_system, conditions, reason, held_by)
           VALUES (%(long)s, '{"metadata_key": "CAMPAIGN", "metadata_value": "4711"}', %(long)s, 'airflow:bob')""",
        {"long": LONG_WORD},
    )
    console.db.execute("INSERT INTO source_system_limits VALUES ('ARCADE', 7, 'airflow:bob')")
    console.db.execute(
        """INSERT INTO operator_actions (actor, door, action, subject, reason, before, after)
           VALUES ('airflow:bob', 'console', 'hold', %(long)s, %(long)s, '{"a": 1}', '{"a": 2}')""",
        {"long": LONG_WORD},
    )
    console.db.execute(
        """UPDATE outside_systems SET paused_at = now(), paused_by = 'airflow:bob', paused_why = %s
           WHERE system = 'KAFKA'""",
        [LONG_WORD],
    )
    console.request("FAILED", **dict.fromkeys(("source_system", "document_name", "document_type"), LONG_WORD))
    return mine


# The address of each page, and what it shows once it has its data.
PAGES = {
    "dashboard": ("", ".tile"),
    "search": ("search", ".count"),
    "failures": ("failures", "tbody tr"),
    "retrying": ("retrying", "tbody tr"),
    "bulk": ("bulk", "tbody tr"),
    "operation": ("bulk/1", ".facts"),
    "runs": ("runs", "tbody tr"),
    "systems": ("systems", "table[aria-label='Limits of source systems']"),
    "reference": ("reference", "tbody tr"),
    "request": ("requests/{id}", ".timeline"),
    "problem": ("problems/OVERDUE", ".facts"),
    "actions": ("actions", "tbody tr"),
    "reconciliations": ("reconciliations", "tbody tr"),
    "reconciliation": ("reconciliations/2026-11-26", "tbody tr"),
    "run": ("slices?dag_id=document_processing&run_id=run", "tbody tr"),
}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_axe_has_nothing_against_any_page(pages: Pages, busy: int, reference_api: None, theme: str, width: int) -> None:
    pages.open("search")
    pages.set("theme", theme)
    pages.size(width)
    found = {}
    for name, (path, filled) in PAGES.items():
        pages.open(path.format(id=busy))
        pages.see("main h1")
        pages.see(filled)
        pages.photograph(f"{name}-{theme}-{width}")
        if wrong := pages.violations():
            found[name] = wrong
        if not pages.script("return document.documentElement.scrollWidth <= document.documentElement.clientWidth"):
            found.setdefault(name, []).append("wider than the window")
    assert found == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_has_nothing_against_the_dialogs(pages: Pages, busy: int, reference_api: None, theme: str) -> None:
    pages.open("search")
    pages.set("theme", theme)
    found = {}
    for path, button in (
        (f"requests/{busy}", "Retrigger"), ("systems", "Pause"), ("systems", "Change limits"), ("reference", "Add"),
    ):  # fmt: skip
        pages.open(path)
        pages.click("main button", button)
        pages.see("dialog h2")
        pages.photograph(f"dialog-{button.split()[0].lower()}-{theme}")
        if wrong := pages.violations():
            found[button] = wrong
    assert found == {}
