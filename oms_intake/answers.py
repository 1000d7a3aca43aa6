"""Answers: JSON, and problems as RFC 9457 has them."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import Response, g, request

from include.oms.words.problems import Problem
from oms_intake.parts import parts


def json_answer(content: object, status: int = 200, **headers: str) -> Response:
    """The content as JSON."""
    return Response(msgspec.json.encode(content), status, headers, content_type="application/json")


def problem_content(problem: Problem, detail: str, status: int | None = None, **members: Any) -> dict[str, Any]:
    """A problem as the contract has it; ``request_id`` is the call's, for support."""
    return {
        "type": problem.path,
        "title": problem.title,
        "status": status or problem.status or 500,
        "detail": detail,
        "instance": request.path,
        "request_id": g.call_id,
        **members,
    }


def problem_answer(problem: Problem, detail: str, status: int | None = None, **members: Any) -> Response:
    """A problem as an answer."""
    content = problem_content(problem, detail, status, **members)
    g.problem = problem.page(parts().settings.problems_url)
    answer = json_answer(content, content["status"])
    answer.content_type = "application/problem+json"
    return answer
