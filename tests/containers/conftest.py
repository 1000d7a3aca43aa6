"""One engine, one deployment, for all tests of this folder: they tell one story, in the order of the file."""

from __future__ import annotations

import socket
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.local.settings import ROOT
from tests.containers.deployment import PROJECT, Deployment, say
from tests.containers.engine import Engine, NoEngine, engine
from tests.containers.images import pinned, provide, remove_stand_ins
from tests.containers.kafka import NoKafka

PORTS = {8443: "the gateway", 18090: "Airflow"}


@pytest.fixture(scope="session")
def docker() -> Iterator[Engine]:
    """Skips the tests, with a plain line, where no engine can be had."""
    try:
        with engine() as running:
            whose = "started here" if running.is_own else "the one that is here"
            say(f"engine {running.docker('version', '--format', '{{.Server.Version}}').strip()}, {whose}")
            yield running
    except NoEngine as reason:
        print(f"containers: skipped, {reason}")
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def images(docker: Engine) -> Iterator[dict[str, str]]:
    """Every image that is pinned, and what it is."""
    names = pinned(ROOT / "docker-compose.airflow.yml", (ROOT / "include" / "deploy").glob("*/Dockerfile"))
    try:
        found = provide(docker, names)
    except NoKafka as reason:
        pytest.skip(f"no registry can be reached, and no stand-in be made: {reason}")
    for name, what in found.items():
        say(f"image {name}: {what}")
    yield found
    remove_stand_ins(docker)


@pytest.fixture(scope="session")
def deployment(docker: Engine, images: dict[str, str]) -> Iterator[Deployment]:
    """A copy of the repository, in which the page's lines are run; whatever they start is removed."""
    for port, whose in PORTS.items():
        with socket.socket() as probe:
            taken = probe.connect_ex(("127.0.0.1", port)) == 0
        assert not taken, f"port {port}, for {whose}, is taken: stop what listens there"
    with tempfile.TemporaryDirectory(prefix=f"{PROJECT}-", dir="/var/tmp", ignore_cleanup_errors=True) as name:
        made = Deployment(docker, Path(name))
        made.copy_repository()
        try:
            yield made
        finally:
            say("removing everything")
            made.remove()


@pytest.fixture(scope="session")
def trust(deployment: Deployment) -> ssl.SSLContext:
    """Trusts the gateway's certificate; the first test has had it made."""
    return ssl.create_default_context(cafile=str(deployment.folder / "var" / "gateway" / "gateway.pem"))


@pytest.fixture(scope="session")
def tokens(deployment: Deployment) -> dict[str, str]:
    """Of the development issuer, by source system."""
    return {
        system: deployment.run(f'make --silent container-token ARGS="--source-system {system}"', 60).strip()
        for system in ("CIBT", "ARCADE")
    }
