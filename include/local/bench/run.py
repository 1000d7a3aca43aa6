"""The bench from its start to its end."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence

from include.local.bench.figures import Section
from include.local.bench.intake import bench_intake
from include.local.bench.report import FILE, table, write
from include.local.bench.settings import BenchSettings, bench_settings
from include.local.console import console, say
from include.local.lock import Lock
from include.local.order import Say
from include.local.settings import ROOT, LocalSettings
from include.local.supervisor import Supervisor

PARTS: Mapping[str, Callable[[BenchSettings, Say], Section]] = {"intake": bench_intake}


def run_bench(only: Sequence[str], settings: LocalSettings) -> None:
    """Measure the parts that are asked for, or all; print and write each as it comes. Raises LocalError."""
    began = time.monotonic()
    own = bench_settings(settings)
    with Lock(settings.var_dir):  # `make up` uses the same ports
        for name in only or PARTS:
            _clear(own)
            load_before = os.getloadavg()[0]
            section = PARTS[name](own, say)
            console.print(table(section))
            write(section, load_before)
        _clear(own)
    say(f"✓ {FILE.relative_to(ROOT)} is written; it took {(time.monotonic() - began) / 60:.1f} minutes")


def _clear(settings: LocalSettings) -> None:
    """An empty system for each part: away with what an earlier one left, its processes included."""
    Supervisor(settings.var_dir, settings.log_dir).end()
    shutil.rmtree(settings.var_dir, ignore_errors=True)
