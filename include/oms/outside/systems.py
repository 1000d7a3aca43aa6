"""The known outside systems: each line of ``systems.toml`` becomes a row of `outside_systems`."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib import resources

_NAME = re.compile("[A-Z][A-Z0-9_]{0,39}")  # outside_systems_system_check says the same
FILE = "include/oms/outside/systems.toml"


@cache
def known_systems() -> dict[str, str]:
    """What each outside system does, by its name. Raises ValueError where a line cannot be a row."""
    found = tomllib.loads(resources.files("include.oms.outside").joinpath("systems.toml").read_text("utf-8"))
    for name, what in found.items():
        if not _NAME.fullmatch(name) or not isinstance(what, str):
            raise ValueError(f'{FILE}: {name} has to be written as NAME = "what it does", in capitals')
    return found


def check_system(name: str) -> str:
    """The name itself. Raises ValueError, which says what to do, where no such outside system is known."""
    if name not in known_systems():
        raise ValueError(
            f'{name} is no outside system: add the line `{name} = "what it does"` to {FILE}, then run `make reload`'
        )
    return name
