"""What a client team installs: the wheel of clients/python, built offline and imported in an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import httpx
import pytest

from include.oms.testing.postgres import ROOT

PACKAGE = ROOT / "clients/python"
USED = "import oms_client, oms_client.client; print(oms_client.__file__); print(oms_client.OmsClient.__name__)"


def run(*command: object, **environment: str) -> str:
    words = [str(word) for word in command]
    ran = subprocess.run(words, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = ["-m", "pip", "wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", folder, PACKAGE]
    run(sys.executable, *build)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_is_installed_and_imported_in_an_environment_of_its_own(wheel: Path, tmp_path: Path) -> None:
    """httpx, which it needs, is the one that the tests have: a package registry cannot be asked here."""
    venv.create(tmp_path / "own", with_pip=False)
    python = tmp_path / "own/bin/python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel)
    place, name = run(python, "-c", USED, PYTHONPATH=str(Path(httpx.__file__).parents[1])).split()
    assert Path(place).is_relative_to(tmp_path / "own")
    assert name == "OmsClient"


def test_the_wheel_holds_the_package_its_types_and_what_it_needs(wheel: Path) -> None:
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        (metadata,) = [name for name in archive.namelist() if name.endswith("/METADATA")]
        told = Parser().parsestr(archive.read(metadata).decode())
    assert held == {f"oms_client/{path.name}" for path in (PACKAGE / "oms_client").iterdir() if path.is_file()}
    assert "oms_client/py.typed" in held
    assert (told["Name"], told["Version"]) == (project["name"], project["version"])
    needed = [line for line in told.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert [line.split(">")[0].split("<")[0].strip() for line in needed] == ["httpx"]
