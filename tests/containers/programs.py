"""Programs of Debian's that are needed here: installed where they are missing, by whoever may."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from threading import Lock

INSTALL_SECONDS = 300
ONE_AT_A_TIME = Lock()  # as apt will have it


def have(program: str, *packages: str) -> bool:
    """Whether the program is there, if need be after installing these packages."""
    with ONE_AT_A_TIME:
        return bool(shutil.which(program)) or (_may_install() and _install(packages) and bool(shutil.which(program)))


@cache
def _may_install() -> bool:
    return os.geteuid() == 0 and bool(shutil.which("apt-get")) and _run("apt-get", "update", "-qq")


def _install(packages: tuple[str, ...]) -> bool:
    return _run("apt-get", "install", "-yqq", "--no-install-recommends", *packages)


def _run(*command: str) -> bool:
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, env=quiet, capture_output=True, check=False, timeout=INSTALL_SECONDS)
    return done.returncode == 0
