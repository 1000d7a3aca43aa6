"""The intake's floor: a bare Flask endpoint that does the same INSERTs, one after the other, and nothing else.

No token, no validation, no reference data, no idempotency, no log, no metrics. Served as the intake is:
``gunicorn -c oms_intake/gunicorn.conf.py --bind 127.0.0.1:18083 include.local.bench.floor:app``.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from flask import Flask, request
from psycopg import Connection
from psycopg_pool import ConnectionPool

from include.oms.base.queries import load
from oms_intake.settings import intake_settings

_SQL = load(__package__)


def create_app() -> Flask:
    """The app, with as many connections as the intake has."""
    settings = intake_settings()
    app = Flask(__name__, static_folder=None)
    pool = ConnectionPool(settings.database_url, min_size=1, max_size=settings.intake_pool_size, open=True)

    @app.post("/v1/document-requests")
    def ask() -> tuple[dict[str, Any], int]:
        sent = json.loads(request.data)
        with pool.connection() as connection:  # a transaction
            return {"request_id": _store(connection, sent, request.data)}, 202

    @app.get("/readyz")
    def is_ready() -> dict[str, Any]:
        with pool.connection() as connection:
            connection.execute("SELECT 1")
        return {}

    return app


def _store(connection: Connection[Any], sent: dict[str, Any], body: bytes) -> int:
    """Row by row. Returns the request's id."""
    values = {**sent, "document_metadata": None, "document_content": None}
    found = connection.execute(_SQL["insert_request"], values | {"content_hash": hashlib.sha256(body).digest()})
    request_id: int = found.fetchone()[0]  # type: ignore[index]
    content = json.dumps(sent["document_content"])
    connection.execute(_SQL["insert_payload"], {"request_id": request_id, "content": content})
    for pair in sent["document_metadata"]:
        connection.execute(_SQL["insert_metadata"], {"request_id": request_id, **pair})
    connection.execute(_SQL["insert_timeline_entry"], {"request_id": request_id})
    return request_id


app = create_app()
