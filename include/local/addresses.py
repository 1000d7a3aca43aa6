"""Addresses of the outside systems: on this machine, or from connections in the environment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from include.local.part import LocalError
from include.local.secrets import Secrets
from include.local.settings import LocalSettings

# What a producer needs so that an acknowledged event is neither lost nor doubled.
PRODUCER = {
    "acks": "all",
    "enable.idempotence": True,
    "reconnect.backoff.max.ms": 1000,  # after an outage the next run finds the broker at once
}
NAMES = ("oms_db", "kafka_default", "reference_data_api", "thunderhead_api")


@dataclass(frozen=True)
class Addresses:
    """The outside systems' addresses, and which of them are not ours to start."""

    database_url: str  # as its owner
    role_urls: Mapping[str, str]  # the same database, by role; empty where it is not ours
    kafka: dict[str, Any]  # librdkafka configuration, credentials included
    reference_data_url: str  # for the jobs
    intake_reference_data_url: str
    thunderhead_url: str
    thunderhead_token: str
    given: frozenset[str]  # of NAMES: the environment has a connection

    def database_url_of(self, role: str) -> str:
        """The OMS Database as a part connects to it, with its own role."""
        return self.role_urls.get(role, self.database_url)

    @property
    def kafka_bootstrap(self) -> str:
        """host:port of the broker to ask first."""
        return str(self.kafka.get("bootstrap.servers", ""))


def find_addresses(settings: LocalSettings, secrets: Secrets) -> Addresses:
    """Our addresses, or those of the environment's connections. Raises LocalError naming one that cannot be read."""
    given = {name: _read(name, text) for name in NAMES if (text := getattr(settings, name))}
    reference_data_url = _url(given.get("reference_data_api"), settings.reference_data_port)
    thunderhead = given.get("thunderhead_api")
    own = f"127.0.0.1:{settings.postgres_port}/oms"
    passwords = {} if "oms_db" in given else secrets.database_role_passwords
    return Addresses(
        database_url=_database_url(given.get("oms_db"), f"oms:{secrets.oms_database_password}@{own}"),
        role_urls={role: f"postgresql://{role}:{password}@{own}" for role, password in passwords.items()},
        kafka=_kafka(given.get("kafka_default"), settings.kafka_port),
        reference_data_url=reference_data_url,
        intake_reference_data_url=settings.reference_data_url
        if "reference_data_url" in settings.model_fields_set
        else reference_data_url,
        thunderhead_url=_url(thunderhead, settings.thunderhead_port),
        thunderhead_token=thunderhead.password or "" if thunderhead else settings.thunderhead_token.get_secret_value(),
        given=frozenset(given),
    )


def connections(addresses: Addresses, *, reference_data_token: str | None = None) -> dict[str, str]:
    """Airflow's connections to our own parts, as environment variables. Given connections are there already.

    The console edits reference data with ``reference_data_token``.
    """
    ours: dict[str, str | dict[str, Any]] = {
        "oms_db": addresses.database_url_of("oms_jobs"),
        "kafka_default": {"conn_type": "kafka", "extra": PRODUCER | addresses.kafka},
        "reference_data_api": _http(addresses.reference_data_url, reference_data_token),
        "thunderhead_api": _http(addresses.thunderhead_url, addresses.thunderhead_token),
    }
    return {
        f"AIRFLOW_CONN_{name.upper()}": it if isinstance(it, str) else json.dumps(it)
        for name, it in ours.items()
        if name not in addresses.given
    }


def _http(url: str, token: str | None) -> dict[str, Any]:
    """An HTTP Connection. The token is a header too: that is where stock operators and Airflow's test look for it."""
    if not token:
        return {"conn_type": "http", "host": url}
    return {"conn_type": "http", "host": url, "password": token, "extra": {"Authorization": f"Bearer {token}"}}


def _read(name: str, text: str) -> Any:
    """The connection as Airflow reads it, in either of its two forms."""
    from airflow.sdk import Connection  # a second to import, and seldom needed

    try:
        if text.lstrip().startswith("{"):
            return Connection.from_json(text, conn_id=name)
        return Connection.from_uri(text, conn_id=name)
    except Exception as error:
        raise LocalError(f"AIRFLOW_CONN_{name.upper()} cannot be read as a connection: {error}") from error


def _url(given: Any, own_port: int) -> str:
    """The base URL that Airflow's HTTP hook makes of a connection; our own if there is no connection."""
    if given is None:
        return f"http://127.0.0.1:{own_port}"
    host = given.host or ""
    start = host if "://" in host else f"{given.schema or 'http'}://{host}"
    return (f"{start}:{given.port}" if given.port else start).rstrip("/")


def _database_url(given: Any, own: str) -> str:
    if given is None:
        return f"postgresql://{own}"
    who = quote(given.login or "", safe="")
    if given.password:
        who += f":{quote(given.password, safe='')}"
    host = given.host or ""
    named = f"[{host}]" if ":" in host else quote(host, safe="")  # a folder with a socket has slashes
    where = f"{named}:{given.port or 5432}/{quote(given.schema or '', safe='')}"
    options = given.extra_dejson
    if lost := [key for key, value in options.items() if type(value) not in (str, int)]:
        raise LocalError(
            f"AIRFLOW_CONN_OMS_DB: the extra {lost[0]!r} cannot be part of a database URL;"
            " the intake and the migrations get the database by OMS_DATABASE_URL alone"
        )
    return f"postgresql://{who}@{where}" + (f"?{urlencode(options)}" if options else "")


def _kafka(given: Any, own_port: int) -> dict[str, Any]:
    if given is None:
        return {"bootstrap.servers": f"127.0.0.1:{own_port}"}
    return dict(given.extra_dejson)
