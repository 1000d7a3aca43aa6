"""A query is found by searching for its name, and so are its callers: names are written out, never put together."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from include.oms.base.queries import load
from include.oms.testing.postgres import ROOT

OURS = ("include", "oms_intake", "dags", "plugins")
PACKAGES = ("include.oms", "include.services.reference_data", "include.services.thunderhead", "include.local.bench")


def sources() -> list[Path]:
    """Every file of code that is ours."""
    return [file for folder in OURS for file in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_query_is_named_where_it_is_run(package: str) -> None:
    code = "\n".join(file.read_text("utf-8") for file in sources())
    assert [name for name in load(package) if f'"{name}"' not in code] == []


def test_no_query_is_named_by_a_formatted_string() -> None:
    put_together = re.compile(r"""(?:query\(|_sql\[|_SQL\[|\.(?:rows|execute)\([\w.]+,\s)f["']""")
    assert [str(file) for file in sources() if put_together.search(file.read_text("utf-8"))] == []
