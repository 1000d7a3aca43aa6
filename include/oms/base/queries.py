"""The SQL of the system: in ``.sql`` files beside the code that uses it, by name, loaded once.

A file holds queries, each under a line ``-- name --`` and a sentence that says what it does. Values are bound
as ``%(name)s``, never formatted in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import LiteralString, cast

_NAME = re.compile(r"^-- (\w+) --$", re.MULTILINE)


@cache
def load(package: str) -> dict[str, LiteralString]:
    """Every query of a package's ``.sql`` files, sub-packages included, by its name.

    Raises ValueError where two share one.
    """
    found: dict[str, LiteralString] = {}
    for file in _sql_files(resources.files(package)):
        _, *parts = _NAME.split(file.read_text(encoding="utf-8"))
        for name, text in zip(parts[::2], parts[1::2], strict=True):
            if name in found:
                raise ValueError(f"two queries are called {name}")
            found[name] = cast(LiteralString, text.strip())
    return found


def _sql_files(folder: Traversable) -> Iterator[Traversable]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _sql_files(entry)
        elif entry.name.endswith(".sql"):
            yield entry


def query(name: str) -> LiteralString:
    """The text of the domain's query called ``name``. Raises KeyError where there is none."""
    return load("include.oms")[name]
