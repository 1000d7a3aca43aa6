"""Starts a service as it is started for real: its own process, a free port, ready before the test goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx

from include.oms.testing.kafka import free_port

ROOT = Path(__file__).parents[3]
READY_SECONDS = 60

T = TypeVar("T")


@dataclass
class Service:
    """A running one."""

    url: str
    process: subprocess.Popen[bytes]

    def stop(self) -> int:
        """SIGTERM, as a supervisor sends it; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@contextmanager
def running(module: str, port_setting: str, **settings: str) -> Iterator[Service]:
    """``python -m <module>`` on a free port until the block ends."""
    port = free_port()
    environment = {**os.environ, port_setting: str(port), **settings}
    process = subprocess.Popen([sys.executable, "-m", module], cwd=ROOT, env=environment)
    service = Service(f"http://127.0.0.1:{port}", process)
    try:
        eventually(lambda: _is_ready(service), READY_SECONDS)
        yield service
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def eventually(look: Callable[[], T], seconds: float = 30) -> T:
    """What ``look`` answers as soon as it is true. Raises where it is not by then."""
    give_up_at = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < give_up_at, "it did not happen in time"
        time.sleep(0.02)
    return seen


def _is_ready(service: Service) -> bool:
    assert service.process.poll() is None, "the service ended at its start"
    try:
        return httpx.get(service.url + "/healthz").status_code == 200
    except httpx.TransportError:
        return False
