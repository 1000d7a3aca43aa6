"""A part that supervisord has started again is noticed once, and greeted when it is ready."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.local import restarts as module
from include.local.part import NotReady, Part
from include.local.restarts import Restarts
from include.local.supervisor import PartState


@pytest.fixture
def killed_groups(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Process groups whose idle orphans were ended."""
    groups: list[int] = []
    monkeypatch.setattr(module, "kill_idle_orphans", groups.append)
    return groups


def check(restarts: Restarts, pid: int, state: str = "RUNNING") -> None:
    restarts.check({"broker": PartState("broker", state, pid, 0)})


def test_a_restart_is_told_once_and_what_it_needs_is_done(tmp_path: Path, killed_groups: list[int]) -> None:
    ready, said, made = [False], list[str](), list[str]()

    def probe() -> None:
        if not ready[0]:
            raise NotReady("not yet")

    broker = Part(name="broker", command=(), probe=probe, when_ready=lambda: made.append("topic"))
    restarts = Restarts([broker], 1, tmp_path / "pids", said.append)
    restarts.begin({"broker": PartState("broker", "RUNNING", 10, 0)})
    check(restarts, 0, "EXITED")
    check(restarts, 11)
    check(restarts, 11)
    assert (said, made, killed_groups) == (["! broker was started again"], [], [10])
    ready[0] = True
    check(restarts, 11)
    check(restarts, 11)
    assert (said[1:], made) == (["✓ broker is ready again"], ["topic"])
    assert (tmp_path / "pids").read_text() == "supervisord 1\nbroker 11\n"


def test_a_part_that_was_given_up_is_told_once(tmp_path: Path, killed_groups: list[int]) -> None:
    said: list[str] = []
    restarts = Restarts([Part(name="broker", command=())], 1, tmp_path / "pids", said.append)
    restarts.begin({"broker": PartState("broker", "RUNNING", 10, 0)})
    check(restarts, 0, "FATAL")
    check(restarts, 0, "FATAL")
    assert said == ["! broker keeps ending and was given up: see its log"]
