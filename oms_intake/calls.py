"""Around every call: its id, its log line, its metrics. Never a payload, a token or a metadata value."""

from __future__ import annotations

import re
import secrets
import time

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
    g.call_id = sent if _CALL_ID.fullmatch(sent) else secrets.token_hex(16)


def _end(answer: Response) -> Response:
    call = g._get_current_object()  # once: each access through Flask's proxies costs a microsecond
    seconds = time.perf_counter() - call.began_at
    rule, method, status = request.url_rule, request.method, answer.status_code
    route = rule.rule if rule else "unmatched"
    headers = answer.headers
    headers["X-Request-Id"] = call.call_id
    headers["X-Content-Type-Options"] = "nosniff"
    headers.setdefault("Cache-Control", "no-store")
    CALL_SECONDS.labels(method if rule else "-", route, status).observe(seconds)
    log.info(
        "call",
        call_id=call.call_id,
        client=call.get("subject"),
        source_system=call.get("source_system"),
        request_id=call.get("request_id"),
        method=method,
        route=route,
        status=status,
        **({"problem": call.problem} if "problem" in call else {}),
        ms=round(seconds * 1000, 2),
    )
    return answer
