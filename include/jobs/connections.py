"""How the jobs reach the outside: Airflow Connections, by the providers' hooks.

The hooks resolve Connections; the domain's clients make the calls, because the hooks' own defaults repeat
POSTs, lose Retry-After and set no time-out (see docs/decisions/0003-our-own-calls.md).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
from airflow.providers.http.hooks.http import HttpAsyncHook
from airflow.sdk import BaseHook, Connection
from psycopg.conninfo import make_conninfo

from include.oms.base.settings import Settings

if TYPE_CHECKING:
    from confluent_kafka import Producer

OMS_DB = "oms_db"
THUNDERHEAD_API = "thunderhead_api"
REFERENCE_DATA_API = "reference_data_api"
KAFKA = "kafka_default"


def oms_database_url() -> str:
    """The OMS Database's libpq connection string, out of the Connection ``oms_db``."""
    return _conninfo(BaseHook.get_connection(OMS_DB))


async def oms_database_url_async() -> str:
    """The same, from inside the triggerer's event loop."""
    return _conninfo(await BaseHook.aget_connection(OMS_DB))


def _conninfo(connection: Connection) -> str:
    return make_conninfo(
        host=connection.host,
        port=connection.port,
        dbname=connection.schema,
        user=connection.login,
        password=connection.password,
        **{key: value for key, value in connection.extra_dejson.items() if key.startswith(("ssl", "target_"))},
    )


@asynccontextmanager
async def http_session(conn_id: str, settings: Settings) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    """One pooled keep-alive session for a whole task, and the base URL.

    A Connection's password without a login is the bearer token; its extras are headers, as the hook has it.
    """
    connection = BaseHook.get_connection(conn_id)
    config = await HttpAsyncHook(http_conn_id=conn_id).config()
    headers = {str(name): str(value) for name, value in (config.headers or {}).items()}
    if connection.password and not connection.login:
        headers["Authorization"] = f"Bearer {connection.password}"
    async with aiohttp.ClientSession(
        headers=headers,
        auth=config.auth,
        cookie_jar=aiohttp.DummyCookieJar(),  # a worker is nobody's session
        connector=aiohttp.TCPConnector(limit=settings.concurrency),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=settings.connect_timeout_seconds),
    ) as session:
        yield session, config.base_url


def kafka_producer(settings: Settings) -> Producer:
    """The idempotent producer: acknowledged by all replicas, or given up before the flush is."""
    from airflow.providers.apache.kafka.hooks.produce import KafkaProducerHook
    from confluent_kafka import Producer

    return Producer(
        {
            **KafkaProducerHook(kafka_config_id=KAFKA)._build_config(),
            "acks": "all",
            "enable.idempotence": True,
            "delivery.timeout.ms": round(settings.publish_timeout_seconds * 800),
        }
    )
