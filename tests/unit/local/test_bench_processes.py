"""What processes cost is counted with what they start, ended or not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from include.local.bench.processes import cpu_seconds, watched

# A process that, for each line it reads, has a child burn 0.2 s of CPU to its end, then says so.
PARENT = """
import subprocess, sys
child = "import time; b = bytearray(2**24)\\nwhile time.process_time() < 0.2: pass"
print("up", flush=True)
for _ in sys.stdin:
    subprocess.run([sys.executable, "-c", child], check=True)
    print("done", flush=True)
"""


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "up\n"  # a process that has just begun has next to no memory
        yield process
        process.kill()


def burn(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    assert process.stdout
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == "done\n"


def test_a_child_that_has_ended_counts(parent: subprocess.Popen[str]) -> None:
    with watched([parent.pid]) as usage:
        burn(parent)
    assert usage.cpu_seconds >= 0.15  # the kernel counts in hundredths
    assert usage.peak_bytes > 2**20
    assert usage.peak_process_bytes > 2**20


def test_a_process_that_is_gone_costs_nothing(parent: subprocess.Popen[str]) -> None:
    parent.kill()
    parent.wait()
    assert cpu_seconds([parent.pid]) == 0
