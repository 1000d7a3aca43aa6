"""`pip install -e .` finds every package, and pytest the test kit."""

from __future__ import annotations

import tomllib
from importlib import import_module

from include.oms.testing import FIXTURES
from include.oms.testing.postgres import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def test_each_package_is_declared() -> None:
    from setuptools import find_packages  # half a second, which no other test should wait for

    declared = find_packages(str(ROOT), include=PROJECT["tool"]["setuptools"]["packages"]["find"]["include"])
    there = {str(it.parent.relative_to(ROOT)).replace("/", ".") for it in (ROOT / "include").rglob("__init__.py")}
    assert there <= set(declared)
    assert "oms_intake" in declared


def test_the_entry_point_has_all_fixtures() -> None:
    plugin = import_module(PROJECT["project"]["entry-points"]["pytest11"]["oms"])
    assert set(plugin.pytest_plugins) == {*FIXTURES, "include.jobs.testing"}
