"""CPU time and memory of parts of the system, with all processes that they start."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil

from include.local.supervisor import Supervisor
from include.local.system import System

AIRFLOW = ("api-server", "triggerer", "scheduler")  # the DAG processor reads paused DAGs as often as others
JOBS = ("triggerer", "scheduler")  # they run the jobs' code: watchers, and task instances
LOOK_SECONDS = 2.5  # between two measurements of the memory, which take some hundredths of a CPU second


@dataclass
class Usage:
    """Usage of processes while they were watched. It is complete when the block has ended."""

    cpu_seconds: float = 0.0
    peak_bytes: int = 0  # of all processes at one time; shared pages count once
    peak_process_bytes: int = 0  # resident, of the largest one


@contextmanager
def watched(pids: Iterable[int]) -> Iterator[Usage]:
    """Watch these processes and all below them while the block runs."""
    roots, usage, over = tuple(pids), Usage(), threading.Event()
    looking = threading.Thread(target=_look_until, args=(roots, usage, over), daemon=True)
    before = cpu_seconds(roots)
    looking.start()
    try:
        yield usage
    finally:
        over.set()
        looking.join()
        usage.cpu_seconds = cpu_seconds(roots) - before


def part_pids(system: System, names: Iterable[str] = AIRFLOW) -> list[int]:
    """The processes of a running system's parts. Raises LocalError if supervisord is gone."""
    states = Supervisor(system.settings.var_dir, system.settings.log_dir).states()
    return [states[name].pid for name in names]


def cpu_seconds(pids: Iterable[int]) -> float:
    """CPU seconds of these processes so far, user and system, with their running and ended children."""
    total = 0.0
    for process in _trees(pids):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def memory_bytes(pids: Iterable[int]) -> int:
    """Bytes that these processes and all below them take now; shared pages count once."""
    return _memory(tuple(pids))[0]


def _look_until(roots: tuple[int, ...], usage: Usage, over: threading.Event) -> None:
    while True:
        shared_once, largest = _memory(roots)
        usage.peak_bytes = max(usage.peak_bytes, shared_once)
        usage.peak_process_bytes = max(usage.peak_process_bytes, largest)
        if over.wait(LOOK_SECONDS):
            return


def _memory(roots: tuple[int, ...]) -> tuple[int, int]:
    """Bytes of all processes (PSS on Linux, else resident), and resident bytes of the largest one."""
    total = largest = 0
    for process in _trees(roots):
        with suppress(psutil.Error):
            found = process.memory_full_info()
            total += getattr(found, "pss", found.rss)
            largest = max(largest, found.rss)
    return total, largest


def _trees(pids: Iterable[int]) -> Iterator[psutil.Process]:
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            parent = psutil.Process(pid)
            yield parent
            yield from parent.children(recursive=True)
