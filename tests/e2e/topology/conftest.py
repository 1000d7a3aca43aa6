"""The deployment's topology without containers, started once for the tests of this folder."""

from __future__ import annotations

import json
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from secrets import token_hex

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from include.local.settings import ROOT, LocalSettings
from include.services.issuer.tokens import ensure_key_pair, jwks
from tests.e2e.topology.collector import Collector
from tests.e2e.topology.compose import resolved
from tests.e2e.topology.places import Places
from tests.e2e.topology.topology import Topology, missing_programs

ISSUER = "https://identity.example"
TOKEN = token_hex(16)

# What is quicker here than by default, so that a killed worker's slice is taken over within the test; and a Thunderhead
# slow enough that there is a middle of a slice to be killed in.
TUNING = {
    "OMS_SLICE_SIZE": "75",
    "OMS_MAX_SLICES": "4",
    "OMS_SLICE_SECONDS": "0",  # no worker takes more than its share
    "OMS_CONCURRENCY": "8",
    "OMS_LEASE_SECONDS": "15",
    "OMS_SUBMIT_TIMEOUT_SECONDS": "5",
    "OMS_SETTLING_SECONDS": "6",
    "OMS_THUNDERHEAD_LATENCY_SECONDS": "0.4",
    "OMS_GATEWAY_CLIENT_RATE": "1000",
    "OMS_GATEWAY_ADDRESS_RATE": "1000",
    "AIRFLOW_WORKER_CONCURRENCY": "3",
    "AIRFLOW_API_WORKERS": "1",
    "POSTGRES_SHARED_BUFFERS": "128MB",
}


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    """Takes the spans of all."""
    with Collector() as running:
        yield running


@pytest.fixture(scope="session")
def topology(collector: Collector) -> Iterator[Topology]:
    """Everything in the compose file but observability, with two workers."""
    if missing := missing_programs():
        pytest.skip(
            f"the topology is not run: {' and '.join(missing)} not installed "
            "(Debian: redis-server nginx-light gettext-base openssl curl)"
        )
    with tempfile.TemporaryDirectory(prefix="oms-topology-", dir="/var/tmp", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)  # for other users to pass through
        places = Places(folder)
        secrets = places.path("/run/secrets")
        subprocess.run([ROOT / "include/gateway/dev-certificate", secrets], check=True)
        with _issuer(folder / "var" / "keys") as jwks_url:
            variables = _variables(secrets, jwks_url)
            tracing = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "AIRFLOW__TRACES__OTEL_ON": "True"}
            compose = resolved(variables | tracing, folder)
            for secret in compose["secrets"].values():  # as Compose mounts them
                (secrets / secret["name"].removeprefix(f"{compose['name']}_")).symlink_to(secret["file"])
            with Topology(compose, places, {"airflow-worker": 2}) as running:
                yield running


@pytest.fixture(scope="session")
def said(topology: Topology) -> LocalSettings:
    """What tokens have to say, and where the keys and the simulator are."""
    return topology.local_settings.model_copy(
        update={
            "jwt_issuer": ISSUER,
            "thunderhead_port": topology.places.ports["thunderhead"],
            "thunderhead_token": SecretStr(TOKEN),
        }
    )


@pytest.fixture(scope="session")
def trust(topology: Topology) -> ssl.SSLContext:
    """Trusts the gateway's certificate."""
    return ssl.create_default_context(cafile=str(topology.places.path("/run/secrets/gateway.pem")))


def _variables(secrets: Path, jwks_url: str) -> dict[str, str]:
    """A whole .env."""
    thunderhead = {"conn_type": "http", "host": "http://thunderhead:18082", "password": TOKEN}
    passwords = (
        "POSTGRES_PASSWORD",
        "OMS_DATABASE_PASSWORD",
        "OMS_INTAKE_DATABASE_PASSWORD",
        "OMS_JOBS_DATABASE_PASSWORD",
        "OMS_CONSOLE_DATABASE_PASSWORD",
        "OMS_REFERENCE_DATA_DATABASE_PASSWORD",
        "AIRFLOW_DATABASE_PASSWORD",
        "REDIS_PASSWORD",
        "AIRFLOW_ADMIN_PASSWORD",
    )
    return {
        **{name: token_hex(24) for name in (*passwords, "AIRFLOW_API_SECRET_KEY", "AIRFLOW_JWT_SECRET")},
        "AIRFLOW_FERNET_KEY": Fernet.generate_key().decode(),
        "AIRFLOW_CONN_THUNDERHEAD_API": json.dumps(thunderhead),
        "OMS_THUNDERHEAD_TOKEN": TOKEN,
        "OMS_JWT_JWKS_URL": jwks_url,
        "OMS_JWT_ISSUER": ISSUER,
        "OMS_GATEWAY_CERTIFICATE": str(secrets / "gateway.pem"),
        "OMS_GATEWAY_CERTIFICATE_KEY": str(secrets / "gateway.key"),
        **TUNING,
    }


class _issuer:
    """A context manager: publishes the key that tokens are signed with, as an issuer does; its address."""

    def __init__(self, keys: Path) -> None:
        document = json.dumps(jwks(ensure_key_pair(keys)[1])).encode()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(document)))
                self.end_headers()
                self.wfile.write(document)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: calls are no news."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self) -> str:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_port}/jwks"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
