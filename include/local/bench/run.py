"""`make bench`: choose the parts, start their systems, measure, print and write."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from include.local.bench.backpressure import bench_backpressure
from include.local.bench.drain import bench_drain
from include.local.bench.figures import Section
from include.local.bench.history import bench_history
from include.local.bench.idle import bench_idle
from include.local.bench.intake import bench_intake
from include.local.bench.latency import bench_latency
from include.local.bench.report import FILE, table, write
from include.local.bench.scale_out import bench_scale_out
from include.local.bench.settings import BenchSettings, bench_settings
from include.local.bench.weather import bench_weather
from include.local.console import console, say, show_complaints
from include.local.lock import Lock
from include.local.order import Say
from include.local.part import LocalError
from include.local.settings import ROOT, LocalSettings
from include.local.supervisor import Supervisor
from include.local.system import System

# In the order in which they are measured; what each takes on two cores that have nothing else to do, in seconds.
SECONDS = {"drain": 90, "latency": 140, "idle": 125, "intake": 115, "history": 80, "scale-out": 150, "backpressure": 30,
           "weather": 400}  # fmt: skip
BY_NAME_ALONE = ("scale-out", "backpressure", "weather")  # all parts do not fit into ten minutes
OF_THE_WHOLE: Mapping[str, Callable[[System, Say], Section]] = {
    "drain": bench_drain,
    "latency": bench_latency,
    "idle": bench_idle,
    "backpressure": bench_backpressure,
    "weather": bench_weather,
}
MOST_SECONDS = 600.0


class Time:
    """The time budget of the bench."""

    def __init__(self, most_seconds: float) -> None:
        self._began, self._most = time.monotonic(), most_seconds

    @property
    def minutes(self) -> float:
        """Seconds that the bench has taken so far."""
        return (time.monotonic() - self._began) / 60

    def is_enough_for(self, name: str) -> bool:
        """Whether a part that begins now will end in time."""
        return time.monotonic() - self._began + SECONDS[name] <= self._most


def run_bench(only: Sequence[str] | None, settings: LocalSettings, *, ten_million: bool = False) -> None:
    """Measure the parts that are asked for, or all that fit into ten minutes. Print and write each when it is done.

    A part that fails is reported at the end; the others are measured all the same. Raises LocalError.
    """
    names = [name for name in SECONDS if (name in only if only else name not in BY_NAME_ALONE)]
    spent = Time(float("inf") if only else MOST_SECONDS)
    own = bench_settings(settings)
    failed: list[str] = []
    with Lock(settings.var_dir):  # `make up` uses the same ports
        load_before = os.getloadavg()[0]
        for number, (name, measure) in enumerate(_parts(names, own, ten_million), start=1):
            if not spent.is_enough_for(name):
                say(f"! {name} is left out: {spent.minutes:.1f} of ten minutes are over. --only {name} measures it.")
                continue
            say(f"[{number} of {len(names)}; {spent.minutes:.1f} min] {name}")
            try:
                section = measure()
            except LocalError as error:
                say(f"! {name} could not be measured: {error}")
                failed.append(name)
                continue
            console.print(table(section))
            write(section, load_before)
    _clear(own)
    say(f"✓ {FILE.relative_to(ROOT)} is written; it took {spent.minutes:.1f} minutes")
    if failed:
        raise LocalError(f"Not measured: {', '.join(failed)}.")


def _parts(
    names: Sequence[str], settings: BenchSettings, ten_million: bool
) -> Iterator[tuple[str, Callable[[], Section]]]:
    """Parts that need the whole system share one with default settings. Each other part has its own system."""
    _clear(settings)
    if wanted := [name for name in OF_THE_WHOLE if name in names]:
        with System(settings, say) as system:
            show_complaints(system)
            for name in wanted:
                yield name, partial(OF_THE_WHOLE[name], system, say)
    alone = {
        "intake": partial(bench_intake, settings, say),
        "history": partial(bench_history, settings, say, ten_million=ten_million),
        "scale-out": partial(bench_scale_out, settings, say),
    }
    for name, measure in alone.items():
        if name in names:
            _clear(settings)
            yield name, measure


def _clear(settings: LocalSettings) -> None:
    """Remove the files and processes that an earlier system left."""
    Supervisor(settings.var_dir, settings.log_dir).end()
    shutil.rmtree(settings.var_dir, ignore_errors=True)
