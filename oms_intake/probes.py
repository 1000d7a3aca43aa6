"""Probes: liveness, readiness, metrics, and the gateway's check of a token."""

from __future__ import annotations

from flask import Blueprint, Response, request

from include.oms.intake.refusals import Fault
from include.oms.words.problems import PROBLEMS
from oms_intake.answers import json_answer, problem_answer
from oms_intake.authentication import identify
from oms_intake.metrics import metrics_text
from oms_intake.parts import parts

probes = Blueprint("probes", __name__)


@probes.get("/healthz")
def healthz() -> Response:
    """The process lives."""
    return json_answer({"status": "ok"})


@probes.get("/readyz")
def readyz() -> Response:
    """The database and the reference data answer."""
    answers = {"database": parts().database.answers(), "reference data": parts().reference_data.answers()}
    faults = [Fault(name, "does not answer") for name, is_there in answers.items() if not is_there]
    if not faults:
        return json_answer({"status": "ok"})
    problem = problem_answer(PROBLEMS["not-ready"], f"{faults[0].pointer} does not answer", errors=faults)
    problem.headers["Retry-After"] = "5"
    return problem


@probes.get("/metrics")
def metrics() -> Response:
    """Prometheus' text, or OpenMetrics."""
    accept = request.headers.get("Accept", "")
    text, content_type = metrics_text(parts().settings, parts().database, accept)
    return Response(text, content_type=content_type)


@probes.get("/auth/verify")
def verify() -> Response:
    """For a gateway's ``auth_request``: 204 and the token's client, or 401."""
    identity = identify()
    headers = {"X-Client": identity.subject, "X-Source-System": identity.source_system or ""}
    return Response(status=204, headers={name: ascii(value)[1:-1] for name, value in headers.items()})
