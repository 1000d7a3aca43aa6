"""A real intake on a real database, kept for all tests of a folder, and real nginxes in front of it."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from include.oms.testing.kafka import free_port
from include.oms.testing.postgres import ROOT, create_database, database_url
from include.services.issuer.tokens import ensure_key_pair, make_token
from oms_intake.settings import IntakeSettings
from tests.integration.intake.conftest import ReferenceDataServer, ServedIntake, ThunderheadServer

GATEWAY = ROOT / "include" / "gateway"
WHERE = f"{os.environ['PATH']}:/usr/sbin"  # as the start script looks
NEEDED = ("nginx", "envsubst", "openssl")


@pytest.fixture(scope="session")
def client_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ensure_key_pair(tmp_path_factory.mktemp("client-keys"))[0]


@pytest.fixture(scope="session")
def token_of(client_key: Path) -> Callable[..., str]:
    """Makes tokens: ``token_of("billing")`` is that client's, of source system CIBT."""

    def make(subject: str = "developer", source_system: str = "CIBT", **claims: object) -> str:
        return make_token(client_key, source_system=source_system, subject=subject, **claims)  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def database(postgres_url: str, template_database: str) -> str:
    """The URL of the database that the intake of this folder's tests works on."""
    name = f"oms_{uuid4().hex}"
    create_database(postgres_url, name, template=template_database)
    return database_url(postgres_url, name)


@pytest.fixture(scope="session")
def served_intake(database: str, client_key: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedIntake]:
    reference_data, thunderhead = ReferenceDataServer(), ThunderheadServer()
    settings = IntakeSettings(
        database_url=database,
        thunderhead_url=thunderhead.url,
        reference_data_url=reference_data.url,
        jwt_public_key_file=client_key.with_name("jwt-public.pem"),
        intake_workers=1,
        intake_threads=4,
    )
    served = ServedIntake(settings, tmp_path_factory.mktemp("intake") / "intake.log")
    served.wait_until_ready()
    yield served
    served.stop()
    reference_data.stop()
    thunderhead.stop()


class Gateway:
    """nginx, started as an operator starts it."""

    def __init__(self, folder: Path, certificate: Path, intake: str, **variables: object) -> None:
        self.port = free_port()
        self.log = folder / "access.log"
        self._pid = folder / "nginx.pid"
        self.context = ssl.create_default_context(cafile=str(certificate))
        given = {
            "certificate": certificate,
            "certificate_key": certificate.with_suffix(".key"),
            "dir": folder,
            "port": f"127.0.0.1:{self.port}",
            "inner_port": free_port(),
            "intake": intake.removeprefix("http://"),
            "access_log": self.log,
        } | variables
        environment = {f"OMS_GATEWAY_{name.upper()}": str(value) for name, value in given.items()}
        self.output = folder / "output.log"
        with self.output.open("wb") as output:
            self._process = subprocess.Popen(
                [GATEWAY / "start"], env={**os.environ, **environment}, stdout=output, stderr=output
            )
        self._wait_until_up()

    def client(self, token: str | None = None, **headers: str) -> httpx.Client:
        """A client that trusts the certificate."""
        if token:
            headers["Authorization"] = f"Bearer {token}"
        url = f"https://localhost:{self.port}"
        return httpx.Client(base_url=url, headers=headers, verify=self.context, trust_env=False, timeout=60)

    def noted(self, call_id: str) -> dict[str, Any]:
        """The one line that its log has about a call; written when the answer is already on its way."""
        until = time.monotonic() + 30
        while not (lines := [line for line in self._lines() if line["call_id"] == call_id]):
            assert time.monotonic() < until, "the call is not in the log"
            time.sleep(0.01)
        (line,) = lines
        return line

    def _lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def stop(self) -> None:
        """End it; raises AssertionError where it does not."""
        self._process.terminate()
        assert self._process.wait(30) == 0, self.output.read_text()

    def _wait_until_up(self) -> None:
        """It listens while it checks its configuration, too, but notes its pid only when it is there to stay."""
        until = time.monotonic() + 30
        while not (self._pid.is_file() and self._pid.read_text()):
            is_coming = time.monotonic() < until and self._process.poll() is None
            assert is_coming, self.output.read_text()
            time.sleep(0.02)
        with self.client() as client:
            client.get("/is-it-up")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if missing := [program for program in NEEDED if not shutil.which(program, path=WHERE)]:
        pytest.skip(
            f"the gateway is not tested: {' and '.join(missing)} not installed (Debian: nginx-light gettext-base)"
        )
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run([GATEWAY / "dev-certificate", folder], check=True)
    return folder / "gateway.pem"


@pytest.fixture
def start_gateway(certificate: Path, tmp_path: Path) -> Iterator[Callable[..., Gateway]]:
    """Starts gateways: ``start_gateway(url, client_rate=1)``."""
    started: list[Gateway] = []

    def start(intake: str, **variables: object) -> Gateway:
        folder = tmp_path / f"gateway-{len(started)}"
        folder.mkdir()
        started.append(Gateway(folder, certificate, intake, **variables))
        return started[-1]

    yield start
    for gateway in started:
        gateway.stop()


@pytest.fixture
def gateway(start_gateway: Callable[..., Gateway], served_intake: ServedIntake) -> Gateway:
    """The gateway as it is by default, in front of the intake."""
    return start_gateway(served_intake.url)
