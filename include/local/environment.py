"""The environment of the parts, and the client's in var/local.env."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from datetime import timedelta

from pydantic import SecretStr

from include.local.addresses import NAMES, Addresses, connections
from include.local.airflow import airflow_home
from include.local.airflow_api import airflow_url
from include.local.secrets import Secrets
from include.local.settings import ROOT, LocalSettings
from include.services.issuer.tokens import SCOPES, ensure_key_pair, make_token

SOURCE_SYSTEMS = ("CIBT", "ARCADE")
PORTS = ("intake_port", "reference_data_port", "thunderhead_port", "airflow_port", "kafka_port", "postgres_port")
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def part_environment(settings: LocalSettings, addresses: Addresses) -> dict[str, str]:
    """One environment for all parts: the runner's own, its settings, Airflow's connections."""
    return {
        **os.environ,  # passed on, not read: each part reads its own OMS_* and AIRFLOW__*
        "OMS_PROBLEMS_URL": f"http://127.0.0.1:{settings.intake_port}/problems",
        **_chosen(settings),
        **{f"OMS_{name.upper()}": str(getattr(settings, name)) for name in PORTS},
        **connections(addresses, reference_data_token=_reference_data_token(settings)),
        "OMS_DATABASE_URL": addresses.database_url,
        "OMS_REFERENCE_DATA_URL": addresses.intake_reference_data_url,
        "OMS_THUNDERHEAD_URL": addresses.thunderhead_url,
        "OMS_THUNDERHEAD_TOKEN": addresses.thunderhead_token,
        **_identity(settings),
        "OMS_THUNDERHEAD_DATA_DIR": str(settings.var_dir / "thunderhead"),
        "AIRFLOW_HOME": str(airflow_home(settings)),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "config")]),
        "PYTHONDONTWRITEBYTECODE": "",  # each task would compile the DAGs and plugins anew
        "PYTHONUNBUFFERED": "1",
    }


def bypass_proxies() -> None:
    """Bypass the environment's proxy for loopback, in this process and in all that it starts."""
    for name in ("NO_PROXY", "no_proxy"):
        hosts = [host for host in os.environ.get(name, "").split(",") if host]
        os.environ[name] = ",".join(dict.fromkeys([*hosts, *LOOPBACK]))


def client_environment(settings: LocalSettings, addresses: Addresses, secrets: Secrets) -> dict[str, str]:
    """Addresses and credentials for the users of the system."""
    return {
        "OMS_INTAKE_URL": f"http://127.0.0.1:{settings.intake_port}",
        "OMS_TOKEN": client_token(settings, "CIBT"),
        "OMS_DATABASE_URL": addresses.database_url,
        "OMS_KAFKA_BOOTSTRAP": addresses.kafka_bootstrap,
        "OMS_KAFKA_TOPIC": settings.kafka_topic,
        "OMS_REFERENCE_DATA_URL": addresses.intake_reference_data_url,
        "OMS_THUNDERHEAD_URL": addresses.thunderhead_url,
        "AIRFLOW_URL": airflow_url(settings),
        "AIRFLOW_USER": "admin",
        "AIRFLOW_PASSWORD": secrets.airflow_passwords["admin"],
    }


def client_token(
    settings: LocalSettings, source_system: str, *, subject: str = "developer", scopes: Sequence[str] = SCOPES
) -> str:
    """A token for a client of this source system, good for 12 hours; it may do all but release runs."""
    private_key, _ = ensure_key_pair(settings.var_dir / "keys")
    return make_token(private_key, source_system=source_system, subject=subject, scopes=scopes, said=settings)


def client_tokens(settings: LocalSettings) -> dict[str, str]:
    """A token for each source system of the sample data."""
    return {system: client_token(settings, system) for system in SOURCE_SYSTEMS}


def shell_text(variables: Mapping[str, str]) -> str:
    """Lines for a shell to source. The values are quoted."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())


def _reference_data_token(settings: LocalSettings) -> str | None:
    """The console's token for edits of reference data, for a year; none where another issuer is configured."""
    if settings.jwt_jwks_url or settings.jwt_public_key_file:
        return None
    private_key, _ = ensure_key_pair(settings.var_dir / "keys")
    return make_token(
        private_key,
        source_system="OMS",
        subject="oms-console",
        scopes=["reference-data:write"],
        lifetime=timedelta(days=365),
        said=settings,
    )


def _identity(settings: LocalSettings) -> dict[str, str]:
    """The public key of this machine's own tokens, unless there is an issuer."""
    if settings.jwt_jwks_url or settings.jwt_public_key_file:
        return {}
    return {"OMS_JWT_PUBLIC_KEY_FILE": str(ensure_key_pair(settings.var_dir / "keys")[1])}


def _chosen(settings: LocalSettings) -> dict[str, str]:
    """Every setting that was given, by the environment or in Python, as the environment variable it stands for."""
    chosen = {}
    for name in settings.model_fields_set:
        value = getattr(settings, name)
        plain = value.get_secret_value() if isinstance(value, SecretStr) else value
        text = json.dumps(plain) if isinstance(plain, dict) else str(plain)
        chosen[f"AIRFLOW_CONN_{name.upper()}" if name in NAMES else f"OMS_{name.upper()}"] = text
    return chosen
