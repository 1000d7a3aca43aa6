"""The parts of the system, each with its command, its needs, and its readiness check."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class LocalError(Exception):
    """The system cannot start or go on. The message is a sentence for the person who typed the command."""


class NotReady(Exception):
    """A part does not answer as it should yet. The message says what is missing."""


class Listen(NamedTuple):
    """A port that a part listens on, and the setting that moves it elsewhere."""

    port: int
    setting: str


def nothing() -> None:
    """Do nothing: the part needs no check or preparation."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One process of the system."""

    name: str
    command: tuple[str, ...]
    needs: tuple[str, ...] = ()  # names of the parts that are ready before it starts, and stop after it
    listen: Listen | None = None
    prepare: Callable[[], None] = nothing  # before it starts
    probe: Callable[[], None] = nothing  # raises NotReady until it is ready
    when_ready: Callable[[], None] = nothing  # after each time it came up, a restart included
    once: bool = False  # runs to its end, which must be exit code 0
    user: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)  # what no other part has, such as its database password
    stop_signal: str = "TERM"
    stop_seconds: int = 10  # before it is killed
