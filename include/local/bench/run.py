"""The bench from its start to its end."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from include.local.bench.drain import bench_drain
from include.local.bench.figures import Section
from include.local.bench.idle import bench_idle
from include.local.bench.intake import bench_intake
from include.local.bench.latency import bench_latency
from include.local.bench.report import FILE, table, write
from include.local.bench.settings import BenchSettings, bench_settings
from include.local.console import console, say, show_complaints
from include.local.lock import Lock
from include.local.order import Say
from include.local.settings import ROOT, LocalSettings
from include.local.supervisor import Supervisor
from include.local.system import System

OF_THE_WHOLE: Mapping[str, Callable[[System, Say], Section]] = {
    "latency": bench_latency,
    "drain": bench_drain,
    "idle": bench_idle,
}


def run_bench(only: Sequence[str] | None, settings: LocalSettings) -> None:
    """Measure the parts that are asked for, or all; print and write each as it comes. Raises LocalError."""
    began = time.monotonic()
    own = bench_settings(settings)
    with Lock(settings.var_dir):  # `make up` uses the same ports
        load_before = os.getloadavg()[0]
        for section in _sections(only or ("intake", *OF_THE_WHOLE), own):
            console.print(table(section))
            write(section, load_before)
    _clear(own)
    say(f"✓ {FILE.relative_to(ROOT)} is written; it took {(time.monotonic() - began) / 60:.1f} minutes")


def _sections(names: Sequence[str], settings: BenchSettings) -> Iterator[Section]:
    """The intake has a system without jobs to itself; all others share one that is whole."""
    _clear(settings)
    if "intake" in names:
        yield bench_intake(settings, say)
        _clear(settings)
    if wanted := [part for name, part in OF_THE_WHOLE.items() if name in names]:
        with System(settings, say) as system:
            show_complaints(system)
            for part in wanted:
                yield part(system, say)


def _clear(settings: LocalSettings) -> None:
    """Away with what an earlier system left, its processes included."""
    Supervisor(settings.var_dir, settings.log_dir).end()
    shutil.rmtree(settings.var_dir, ignore_errors=True)
