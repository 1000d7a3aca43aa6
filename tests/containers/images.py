"""The images that the compose file pins: pulled, or, where no registry can be reached, made under their names here.

A stand-in has the label `oms.stand-in`. It is for this machine alone: nothing pushes it, and from an engine that was
here before the tests it is removed again.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.containers.engine import Engine
from tests.containers.kafka import jars
from tests.containers.programs import have

FOLDER = Path(__file__).with_name("stand_ins")
LABEL = "oms.stand-in"
MIRROR = "http://deb.debian.org/debian"
# Debian's release, and whose debootstrap script knows how to lay it out.
BASES = {"oms-stand-in:bookworm": ("bookworm", "bookworm"), "oms-stand-in:forky": ("forky", "sid")}
PULL_SECONDS = 300
BUILD_SECONDS = 400
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def pinned(compose_file: Path, dockerfiles: Iterable[Path]) -> list[str]:
    """The images that have to be there before ours are built and all are started; observability's are left out."""
    services = compose_file.read_text().partition("# -- Observability")[0]
    found = re.findall(r"^    image: (?!oms-)(\S+)$", services, re.MULTILINE)
    for file in dockerfiles:
        found += re.findall(r"^FROM (\S+)", file.read_text(), re.MULTILINE)
    return sorted(set(found))


def provide(engine: Engine, names: Iterable[str]) -> dict[str, str]:
    """Have all of them. Returns what each is: real or a stand-in."""
    names = list(names)
    what = {name: "real" for name in names if _is_real(engine, name)}
    for name in (name for name in names if name not in what):
        if not _pull(engine, name):
            break  # no registry: the others are asked for in vain
        what[name] = "real, pulled"
    missing = [name for name in names if name not in what]
    if missing:
        _make(engine, missing)
    return {name: what.get(name, "a stand-in") for name in names}


def remove_stand_ins(engine: Engine) -> None:
    """All that were made here."""
    if not engine.is_own:
        found = engine.docker("image", "ls", "--quiet", "--filter", f"label={LABEL}").split()
        engine.docker("image", "rm", "--force", *BASES, *found, check=False)


def _is_real(engine: Engine, name: str) -> bool:
    listed = ("image", "ls", "--quiet")
    return bool(engine.docker(*listed, name) and not engine.docker(*listed, "--filter", f"label={LABEL}", name))


def _pull(engine: Engine, name: str) -> bool:
    try:
        engine.docker("pull", "--quiet", name, seconds=PULL_SECONDS)
    except (AssertionError, subprocess.TimeoutExpired):
        return False
    return True


def _make(engine: Engine, names: list[str]) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda base: _base(engine, base), BASES))
        list(pool.map(lambda name: _stand_in(engine, name), names))


def _base(engine: Engine, name: str) -> None:
    """A minimal Debian."""
    if engine.docker("image", "ls", "--quiet", name):
        return
    if not have("debootstrap", "debootstrap"):
        pytest.skip("no registry can be reached, and no stand-in be made: debootstrap is not installed")
    release, script = BASES[name]
    with tempfile.TemporaryDirectory(prefix="oms-debian-", ignore_cleanup_errors=True) as folder:
        command = ["debootstrap", "--variant=minbase", "--include=ca-certificates", release, folder, MIRROR, script]
        done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-500:]
        layout = ["bash", "-o", "pipefail", "-c", f"tar -C {folder} -c . | docker import - {name}"]
        subprocess.run(layout, env=engine.environment, check=True, capture_output=True, timeout=BUILD_SECONDS)


def _stand_in(engine: Engine, name: str) -> None:
    kind = name.partition(":")[0].rpartition("/")[2]
    with tempfile.TemporaryDirectory(prefix="oms-stand-in-") as made:
        context = Path(made) / kind
        shutil.copytree(FOLDER / kind, context)
        if kind == "python":
            shutil.copy(CERTIFICATES, context)
        if kind == "kafka":
            have("mvn", "maven", "default-jre-headless")
            shutil.copytree(jars(name.rpartition(":")[2]), context / "libs")
        arguments = ["--quiet", "--network=host", f"--label={LABEL}=", "--tag", name, context]
        classic = Engine(
            {**engine.environment, "DOCKER_BUILDKIT": "0"}, engine.is_own
        )  # needs no plug-in of the client
        classic.docker("build", *arguments, seconds=BUILD_SECONDS)
