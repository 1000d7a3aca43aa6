"""Start parts in the order of their needs, as many at a time as possible; stop them in the opposite order."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from include.local.part import LocalError, NotReady, Part
from include.local.supervisor import PartState, Supervisor

PAUSE_SECONDS = 0.2  # between two checks
LAST_LINES = 15

Say = Callable[[str], None]


@dataclass
class _Start:
    """A part that is starting."""

    part: Part
    began: float
    pid: int = 0
    missing: str = "it has not answered yet"


def bring_up(parts: list[Part], supervisor: Supervisor, *, log_dir: Path, patience_seconds: float, say: Say) -> None:
    """Start every part once what it needs is ready, until all are. Raises LocalError naming the part that fails."""
    names = {part.name for part in parts}
    waiting, starting, ready = list(parts), list[_Start](), set[str]()
    while waiting or starting:
        for part in [part for part in waiting if ready.issuperset(names.intersection(part.needs))]:
            waiting.remove(part)
            part.prepare()
            starting.append(_Start(part, time.monotonic()))
            supervisor.launch(part.name)
        states = supervisor.states()
        for start in list(starting):
            is_up = _is_up(start, states[start.part.name], log_dir)
            seconds = time.monotonic() - start.began
            if is_up:
                start.part.when_ready()
                starting.remove(start)
                ready.add(start.part.name)
                say(f"✓ {start.part.name} {'done' if start.part.once else 'ready'} in {seconds:.1f} s")
            elif seconds > patience_seconds:
                raise _failure(start.part, f"is not ready after {seconds:.0f} s: {start.missing}", log_dir)
        time.sleep(PAUSE_SECONDS)


def take_down(parts: list[Part], supervisor: Supervisor) -> None:
    """Stop every part once all that need it have stopped. Supervisor bounds each with its stop_seconds."""
    left = {part.name: part for part in parts}
    asked = set[str]()
    while left:
        needed = {name for part in left.values() for name in part.needs}
        for name in left.keys() - needed - asked:
            asked.add(name)
            supervisor.halt(name)
        states = supervisor.states()
        left = {name: part for name, part in left.items() if name not in asked or not states[name].ended}
        time.sleep(PAUSE_SECONDS)


def _is_up(start: _Start, state: PartState, log_dir: Path) -> bool:
    """Whether it is ready (or done). Raises LocalError where it has ended, even if it was started again."""
    if start.part.once:
        if state.state == "EXITED" and state.exit_status == 0:
            return True
        if state.ended:
            raise _failure(start.part, f"failed with exit code {state.exit_status}", log_dir)
        return False
    if state.ended or state.state == "BACKOFF" or start.pid not in (0, state.pid):
        raise _failure(start.part, "ended while it was starting", log_dir)
    start.pid = state.pid
    try:
        start.part.probe()
    except NotReady as error:
        start.missing = str(error)
        return False
    return True


def _failure(part: Part, what: str, log_dir: Path) -> LocalError:
    """An error with the sentence and the end of the part's log."""
    file = log_dir / f"{part.name}.log"
    lines = file.read_text(errors="replace").splitlines()[-LAST_LINES:] if file.exists() else []
    return LocalError("\n".join([f"{part.name} {what}", f"The end of {file}:", *(f"  {line}" for line in lines)]))
