"""What the bench makes of its measurements. No test asserts a timing."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import pytest

from include.local.airflow_api import JOBS
from include.local.bench.airflow_growth import RunCost
from include.local.bench.figures import Figure, Section, paired_ratio, percentile
from include.local.bench.history import history_figure
from include.local.bench.idle import WATCHDOG, idle_growth
from include.local.bench.load import PLACEHOLDER, Order, work
from include.local.bench.report import write
from include.local.bench.requests import Calls
from include.local.bench.run import SECONDS, Time
from include.local.bench.weather import CALM, RAIN, Measured, Weather, weather_figures
from include.services.thunderhead.control import Control, Outage

ANSWER = b"HTTP/1.1 202 ACCEPTED\r\nContent-Length: 2\r\n\r\n{}"


def a_section(title: str, ours: str) -> Section:
    return Section(title, "How it was taken.", [Figure("requests/s", ours, "10", "0.90", "at least 0.8", True)])


def test_the_ratio_is_that_of_the_middle_round() -> None:
    assert paired_ratio([9, 50, 8], [10, 10, 10]) == 0.9


@pytest.mark.parametrize(("share", "value"), [(0.5, 51), (0.99, 100), (1, 100)])
def test_a_percentile_is_one_of_the_values(share: float, value: int) -> None:
    assert percentile(range(100, 0, -1), share) == value


def test_one_part_measured_anew_leaves_the_others(tmp_path: Path) -> None:
    file = tmp_path / "benchmarks.md"
    for section in (a_section("Intake", "7"), a_section("Idle", "8"), a_section("Intake", "9")):
        write(section, 0.5, file)
    text = file.read_text()
    assert text.startswith("# Benchmarks\n")
    assert "| requests/s | 9 | 10 |" in text
    assert "| requests/s | 8 | 10 |" in text
    assert text.count("## Intake") == 1
    assert "| 7 |" not in text


def test_history_is_judged_by_its_worst_size_beside_the_smallest() -> None:
    figure = history_figure("claim", {100: [0.010, 0.020], 1000: [0.011, 0.022], 10_000: [0.013, 0.026]})
    assert (figure.ours, figure.beside, figure.is_met) == ("19.50 ms", "15.00 ms", False)
    assert figure.ratio == "1,000: 1.10, 10,000: 1.30"


def test_what_an_idle_day_keeps_is_what_its_runs_keep() -> None:
    run = RunCost(rows=10, database_bytes=5000, log_bytes=5000, cpu_seconds=0.5)
    rows, kept, _, of_all = idle_growth(dict.fromkeys((*JOBS, WATCHDOG), run))
    assert (rows.ours, rows.beside) == ("2,880", "28,800")  # two jobs, 144 runs each; alone, a run a minute
    assert (kept.ours, kept.is_met) == ("2.9 MB, 1.4 of it logs", True)
    assert of_all.ours == "4.3 MB, 2.2 of it logs"


def test_a_part_that_would_not_end_in_time_is_left_out() -> None:
    assert Time(SECONDS["drain"] + 5).is_enough_for("drain")
    assert not Time(SECONDS["drain"] - 5).is_enough_for("drain")


def measured(weather: Weather, worst: float = 2.0, **changes: Any) -> Measured:
    ends = [5 + n / 100 for n in range(101)]
    it = Measured(weather, [1.0] * 99 + [worst], ends, Calls(200, 110, 6), spent=0, failed=0, made_twice=0)
    return replace(it, **changes)


def test_the_simulator_understands_each_weather() -> None:
    for weather in RAIN:
        Control.model_validate(dict(weather.faults))
        for outage in weather.outages:
            Outage.model_validate({"mode": outage.mode, "seconds": outage.seconds})


def test_a_weather_stands_beside_the_calm() -> None:
    weather = Weather("limits", 100, p50=3, worst=60, documents_per_second=80, share_refused=0.05)
    figures = {it.what: it for it in weather_figures(measured(CALM), [measured(weather, worst=8.0)])}
    worst = figures["limits, 100: accepted to event, worst"]
    assert (worst.ours, worst.beside, worst.ratio, worst.is_met) == ("8.0 s", "2.0 s", "4.0", True)
    assert figures["limits: submits a document"].ours == "1.10"
    assert figures["limits: documents/s under way"].is_met
    assert figures["limits: share of calls refused"].ours == "3.0%"


def test_a_request_without_an_event_has_no_end() -> None:
    weather = Weather("failing", 100, worst=60)
    figures = {it.what: it for it in weather_figures(measured(CALM), [measured(weather, worst=inf, failed=1)])}
    assert figures["failing, 100: accepted to event, worst"].is_met is False
    assert figures["failing: FAILED"].is_met is False


class Server(asyncio.Protocol):
    """Answers each call, in two pieces."""

    def __init__(self, bodies: list[bytes], gone: asyncio.Semaphore) -> None:
        self._bodies, self._gone = bodies, gone

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._bodies.append(data.partition(b"\r\n\r\n")[2])
        self._transport.write(ANSWER[:30])
        asyncio.get_running_loop().call_later(0.001, self._transport.write, ANSWER[30:])

    def connection_lost(self, _: Exception | None) -> None:
        self._gone.release()


async def test_the_load_generator_counts_answers_each_to_a_call_of_its_own() -> None:
    bodies: list[bytes] = []
    gone = asyncio.Semaphore(0)
    server = await asyncio.get_running_loop().create_server(lambda: Server(bodies, gone), "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"
    measured = await work(Order(url, "token", "B1", 3, 0.05, [f'{{"id": "{PLACEHOLDER}"}}']))
    for _ in range(3):
        await asyncio.wait_for(gone.acquire(), 5)
    server.close()
    assert measured.statuses == {"202": len(bodies)}
    assert len(set(bodies)) == len(bodies) >= 3
