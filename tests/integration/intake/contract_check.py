"""A client that holds every answer against the contract as it is served."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache
from typing import Any

from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from werkzeug.test import TestResponse

from oms_intake.openapi import openapi

SERVED = openapi(lambda _: (), datetime.now(UTC))


class CheckedClient(FlaskClient):
    """Each answer has a status, a media type and a body that the contract knows."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        answer = super().open(*args, **kwargs)
        check_answer(answer.request.method, answer.request.path, answer)
        return answer


def check_answer(method: str, path: str, answer: TestResponse) -> None:
    """Raises AssertionError where the contract does not know such an answer."""
    assert answer.headers["X-Request-Id"]
    if answer.status_code >= 400:
        problem = _validator("Problem")
        problem.validate(answer.json)
        assert answer.mimetype == "application/problem+json"
        assert (answer.json["status"], answer.json["instance"]) == (answer.status_code, path)
        assert answer.json["request_id"] == answer.headers["X-Request-Id"]
    operation = _operation(method, path)
    if not operation or answer.status_code == 405:
        return
    assert str(answer.status_code) in operation["responses"], f"{method} {path} answered {answer.status_code}"
    if answer.status_code == 304:  # it has no body
        return
    described = operation["responses"][str(answer.status_code)]["content"]
    assert answer.mimetype in described, f"{method} {path} answered {answer.mimetype}"
    if answer.mimetype.endswith("json"):
        _validate(described[answer.mimetype]["schema"], answer.json)


def _operation(method: str, path: str) -> dict[str, Any] | None:
    for template, methods in SERVED["paths"].items():
        if re.fullmatch(re.sub(r"\\{\w+\\}", "[0-9]+", re.escape(template)), path) and template not in _FIXED - {path}:
            found: dict[str, Any] | None = methods.get(method.lower())
            return found
    return None


_FIXED = {template for template in SERVED["paths"] if "{" not in template}


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": SERVED["components"]})


def _validate(schema: dict[str, Any], content: Any) -> None:
    Draft202012Validator({**schema, "components": SERVED["components"]}).validate(content)
