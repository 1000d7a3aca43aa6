"""The systems around OMS, by Airflow's Connections as the jobs' hooks read them."""

from __future__ import annotations

import asyncio
import socket
from typing import Any
from urllib.parse import urlsplit

from fastapi import HTTPException
from psycopg.conninfo import conninfo_to_dict

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
    """The base URL of an HTTP Connection, and its headers with the credentials. Blocks."""
    from include.jobs.hooks import SingleCallHook  # late: the hooks take a second to import

    config = asyncio.run(SingleCallHook(conn_id).config())
    return config.base_url.rstrip("/"), {name: str(value) for name, value in (config.headers or {}).items()}


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
    """Call an outside system once, bounded in time and size. Raises HTTPException 502 without an answer."""
    try:
        url, credentials = await asyncio.to_thread(base_url_and_headers, conn_id)
    except Exception as error:  # a Connection may be missing or wrong in many ways
        raise HTTPException(502, f"the Connection {conn_id} cannot be used: {type(error).__name__}") from error
    deadline = settings().poll_timeout_seconds
    try:
        async with client() as http:
            return await call(
                http, method, f"{url}{path}", deadline_seconds=deadline, max_bytes=max_bytes,
                headers=credentials | (headers or {}), json=json,
            )  # fmt: skip
    except NoAnswer as error:
        raise HTTPException(502, f"{system} does not answer: {error}") from error


def reachable(system: str) -> dict[str, Any]:
    """Whether the system accepts connections now. Blocks."""
    try:
        host, port = _address(CONNECTIONS[system])
        socket.create_connection((host, port), PATIENCE_SECONDS).close()
    except Exception as error:  # noqa: BLE001  a Connection may be missing or wrong in many ways; health never fails
        return {"answers": False, "why": (getattr(error, "strerror", None) or type(error).__name__).lower()}
    return {"answers": True}


def _address(conn_id: str) -> tuple[str, int]:
    from include.jobs.hooks import FinalEventsHook, oms_database_url

    if conn_id == "kafka_default":
        first = str(FinalEventsHook.get_connection(conn_id).extra_dejson["bootstrap.servers"]).split(",")[0]
        host, _, port = first.rpartition(":")
        return host, int(port)
    if conn_id == "oms_db":
        said = conninfo_to_dict(oms_database_url())
        return str(said.get("host") or "localhost"), int(said.get("port") or 5432)
    parts = urlsplit(base_url_and_headers(conn_id)[0])
    return parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]
