"""Restarts of parts by supervisord: report them, and do what each needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from include.local.order import Say
from include.local.part import NotReady, Part
from include.local.processes import kill_idle_orphans
from include.local.secrets import write_private
from include.local.supervisor import PartState


class Restarts:
    """Compares each check with the one before, and keeps the file of pids current: a name and a pid a line."""

    def __init__(self, parts: Sequence[Part], daemon_pid: int, pid_file: Path, say: Say) -> None:
        self._parts, self._say = parts, say
        self._daemon_pid, self._pid_file = daemon_pid, pid_file
        self._last_pid: dict[str, int] = {}
        self._returning: list[Part] = []  # started again, not ready yet
        self._given_up: set[str] = set()

    def begin(self, states: Mapping[str, PartState]) -> None:
        """Note the present state of the parts."""
        self._note(states)

    def check(self, states: Mapping[str, PartState]) -> None:
        """Report what has changed since the last check, and do what it needs."""
        for part in self._parts:
            state, before = states[part.name], self._last_pid.get(part.name)
            if state.pid and state.pid != before:
                self._say(f"! {part.name} was started again")
                self._returning.append(part)
                if before:
                    kill_idle_orphans(before)
            elif state.state == "FATAL" and part.name not in self._given_up:
                self._say(f"! {part.name} keeps ending and was given up: see its log")
                self._given_up.add(part.name)
        self._note(states)
        self._finish_restarts()

    def _finish_restarts(self) -> None:
        for part in list(self._returning):
            with suppress(NotReady):
                part.probe()
                part.when_ready()
                self._returning.remove(part)
                self._say(f"✓ {part.name} is ready again")

    def _note(self, states: Mapping[str, PartState]) -> None:
        pids = {"supervisord": self._daemon_pid, **{name: state.pid for name, state in states.items() if state.pid}}
        self._last_pid |= pids
        text = "".join(f"{name} {pid}\n" for name, pid in pids.items())
        if not self._pid_file.exists() or self._pid_file.read_text() != text:
            write_private(self._pid_file, text)
