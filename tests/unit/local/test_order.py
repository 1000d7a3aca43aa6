"""Parts come up after what they need, and go down before it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from include.local import order
from include.local.order import bring_up, take_down
from include.local.part import LocalError, NotReady, Part
from include.local.supervisor import PartState, Supervisor


class FakeSupervisor(Supervisor):
    """Starts and stops nothing, and remembers what was asked."""

    def __init__(self, **fates: str) -> None:
        self.asked: list[str] = []
        self._states: dict[str, PartState] = {}
        self._fates = fates

    def launch(self, name: str) -> None:
        self.asked.append(f"+{name}")
        state = self._fates.get(name, "RUNNING")
        self._states[name] = PartState(name, state, 1 if state == "RUNNING" else 0, 0 if state == "RUNNING" else 3)

    def halt(self, name: str) -> None:
        self.asked.append(f"-{name}")
        self._states[name] = PartState(name, "STOPPED", 0, 0)

    def states(self) -> dict[str, PartState]:
        return dict(self._states)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "PAUSE_SECONDS", 0)


def part(name: str, *needs: str, answers: Iterator[bool] | None = None) -> Part:
    def probe() -> None:
        if answers and not next(answers):
            raise NotReady("it sleeps")

    return Part(name=name, command=("true",), needs=needs, probe=probe)


def start(parts: list[Part], supervisor: Supervisor, folder: Path, patience_seconds: float = 10) -> list[str]:
    said: list[str] = []
    bring_up(parts, supervisor, log_dir=folder, patience_seconds=patience_seconds, say=said.append)
    return said


def test_a_part_waits_for_what_it_needs(tmp_path: Path) -> None:
    supervisor = FakeSupervisor()
    slow = part("database", answers=iter([False, False, True]))
    said = start([part("intake", "database"), slow, part("broker")], supervisor, tmp_path)
    assert supervisor.asked == ["+database", "+broker", "+intake"]
    assert [line.split()[1] for line in said] == ["broker", "database", "intake"]


def test_what_this_machine_does_not_run_is_not_waited_for(tmp_path: Path) -> None:
    start([part("intake", "somebody-elses-database")], FakeSupervisor(), tmp_path)


def test_parts_go_down_before_what_they_need(tmp_path: Path) -> None:
    supervisor = FakeSupervisor()
    parts = [part("database"), part("intake", "database"), part("proxy", "intake")]
    start(parts, supervisor, tmp_path)
    take_down(parts, supervisor)
    assert supervisor.asked[3:] == ["-proxy", "-intake", "-database"]


def test_a_part_that_ends_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    (tmp_path / "intake.log").write_text("one\nno such key\n")
    with pytest.raises(LocalError, match=r"intake ended while it was starting\n.*intake.log:\n  one\n  no such key"):
        start([part("intake")], FakeSupervisor(intake="BACKOFF"), tmp_path)


def test_a_migration_that_fails_is_named(tmp_path: Path) -> None:
    once = Part(name="migrations", command=("false",), once=True)
    with pytest.raises(LocalError, match="migrations failed with exit code 3"):
        start([once], FakeSupervisor(migrations="EXITED"), tmp_path)


def test_waiting_is_bounded_and_says_what_was_missing(tmp_path: Path) -> None:
    never = part("intake", answers=iter(lambda: False, True))
    with pytest.raises(LocalError, match="intake is not ready after 0 s: it sleeps"):
        start([never], FakeSupervisor(), tmp_path, patience_seconds=0)
