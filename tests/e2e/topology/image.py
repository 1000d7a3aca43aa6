"""An image of ours without Docker: the files that its Dockerfile copies, and the environment that it sets."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from include.local.settings import ROOT

# As .dockerignore has it.
NOT_IN_IMAGES = shutil.ignore_patterns("__pycache__", "testing", "testing.py", "pytest_plugin.py")


@dataclass(frozen=True)
class Image:
    """Where its files are on this machine, and what it sets: paths as the container has them."""

    root: Path
    environment: dict[str, str]
    workdir: str  # where a command starts
    command: list[str]  # where the compose file has none
    user: int


def lay_out(dockerfile: Path, root: Path) -> Image:
    """Copy what the last stage copies out of the repository to below ``root``."""
    workdir, environment, command, user = "/", dict[str, str](), list[str](), 0
    for word, *rest in _instructions(dockerfile):
        if word == "WORKDIR":
            [workdir] = rest
        elif word == "ENV":
            environment |= dict(pair.split("=", 1) for pair in rest)
        elif word == "USER":
            user = int(rest[0])
        elif word == "CMD":
            command = json.loads(" ".join(rest))
        elif word == "COPY" and not rest[0].startswith("--from"):
            _copy(rest[:-1], root / (Path(workdir) / rest[-1]).relative_to("/"), into_folder=rest[-1].endswith("/"))
    return Image(root, environment, workdir, command, user)


def is_ours(service: dict[str, Any]) -> bool:
    """Whether a service of the compose file runs an image that is built here."""
    return str(service["image"]).startswith("oms-")


def dockerfile_of(service: dict[str, Any]) -> Path:
    """The file that a service's image is built by: one service has the build, others name its image alone."""
    name = str(service["image"]).removeprefix("oms-").partition(":")[0]
    return ROOT / "include" / "deploy" / name / "Dockerfile"


def _instructions(dockerfile: Path) -> list[list[str]]:
    """Those of the last stage, each in its words."""
    text = re.sub(r"\\\n", " ", dockerfile.read_text())
    last_stage = re.split(r"^FROM ", text, flags=re.MULTILINE)[-1]
    lines = [line for line in last_stage.splitlines()[1:] if line and line[0] != "#"]
    return [line.split() if line.startswith("CMD") else shlex.split(line) for line in lines]


def _copy(sources: list[str], target: Path, *, into_folder: bool) -> None:
    for source in (ROOT / name for name in sources):
        if source.is_dir():
            shutil.copytree(source, target, ignore=NOT_IN_IMAGES, dirs_exist_ok=True)
        else:
            (target if into_folder else target.parent).mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
