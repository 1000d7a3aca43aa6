"""The systems around OMS, as Airflow's Connections name them."""

from __future__ import annotations

import asyncio
import socket
from typing import Any
from urllib.parse import urlsplit

from airflow.sdk import BaseHook
from fastapi import HTTPException

from include.oms.base.bounded_http import Answer, NoAnswer, call, client
from include.oms.base.limits import MOST_ANSWER_BYTES
from include.oms.base.settings import settings

PATIENCE_SECONDS = 2.0
CONNECTIONS = {
    "THUNDERHEAD": "thunderhead_api",
    "REFERENCE_DATA": "reference_data_api",
    "KAFKA": "kafka_default",
    "DATABASE": "oms_db",
}
DEFAULT_PORTS = {"http": 80, "https": 443}


def base_url_and_headers(conn_id: str) -> tuple[str, dict[str, str]]:
    """An HTTP Connection as its hook reads it: a password without a login is the bearer token."""
    connection = BaseHook.get_connection(conn_id)
    host = connection.host or ""
    url = host if "://" in host else f"{connection.schema or 'http'}://{host}"
    url = f"{url}:{connection.port}" if connection.port else url
    bearer = {"Authorization": f"Bearer {connection.password}"} if connection.password and not connection.login else {}
    return url.rstrip("/"), bearer


async def ask(
    conn_id: str,
    method: str,
    path: str,
    *,
    system: str,
    max_bytes: int = MOST_ANSWER_BYTES,
    json: Any = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    """What an outside system answers, read within bounds. Raises HTTPException 502 where it does not, or not so."""
    url, bearer = await asyncio.to_thread(base_url_and_headers, conn_id)
    deadline = settings().poll_timeout_seconds
    try:
        async with client() as http:
            return await call(
                http, method, f"{url}{path}", deadline_seconds=deadline, max_bytes=max_bytes,
                headers=bearer | (headers or {}), json=json,
            )  # fmt: skip
    except NoAnswer as error:
        raise HTTPException(502, f"{system} does not answer: {error}") from error


def reachable(system: str) -> dict[str, Any]:
    """Whether somebody listens there now."""
    try:
        host, port = _address(CONNECTIONS[system])
        socket.create_connection((host, port), PATIENCE_SECONDS).close()
    except Exception as error:  # noqa: BLE001  a Connection may be missing or wrong in many ways; health never fails
        return {"answers": False, "why": (getattr(error, "strerror", None) or type(error).__name__).lower()}
    return {"answers": True}


def _address(conn_id: str) -> tuple[str, int]:
    if conn_id == "kafka_default":
        first = str(BaseHook.get_connection(conn_id).extra_dejson["bootstrap.servers"]).split(",")[0]
        host, _, port = first.rpartition(":")
        return host, int(port)
    if conn_id == "oms_db":
        connection = BaseHook.get_connection(conn_id)
        return connection.host or "localhost", connection.port or 5432
    parts = urlsplit(base_url_and_headers(conn_id)[0])
    return parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]
