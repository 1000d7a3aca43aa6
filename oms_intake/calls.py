"""Around every call: its id, its log line, its metrics. Never a payload, a token or a metadata value."""

from __future__ import annotations

import re
import time
from uuid import uuid4

import structlog
from flask import Flask, Response, g, request

from oms_intake.metrics import CALL_SECONDS

_CALL_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)

log = structlog.get_logger()


def watch_calls(app: Flask) -> None:
    """Register what happens before and after each call."""
    app.before_request(_begin)
    app.after_request(_end)


def _begin() -> None:
    g.began_at = time.perf_counter()
    sent = request.headers.get("X-Request-Id", "")
    g.call_id = sent if _CALL_ID.fullmatch(sent) else uuid4().hex


def _end(answer: Response) -> Response:
    seconds = time.perf_counter() - g.began_at
    route = request.url_rule.rule if request.url_rule else "unmatched"
    answer.headers["X-Request-Id"] = g.call_id
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers.setdefault("Cache-Control", "no-store")
    CALL_SECONDS.labels(request.method if request.url_rule else "-", route, answer.status_code).observe(seconds)
    log.info(
        "call",
        call_id=g.call_id,
        client=g.get("subject"),
        source_system=g.get("source_system"),
        request_id=g.get("request_id"),
        method=request.method,
        route=route,
        status=answer.status_code,
        ms=round(seconds * 1000, 2),
    )
    return answer
