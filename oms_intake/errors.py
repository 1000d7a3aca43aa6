"""The one place where errors become problem answers. A client gets neither a stack trace nor a library's text."""

from __future__ import annotations

import structlog
from flask import Flask, Response, g
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed
from werkzeug.routing import RequestRedirect

from include.oms.identity.tokens import InsufficientScope, NotAuthenticated
from include.oms.words.problems import PROBLEMS
from include.oms.words.refusals import ComeAgain, Refusal
from oms_intake.answers import problem_answer
from oms_intake.logs import error_place

REALM = 'Bearer realm="oms-intake"'

_BY_STATUS = {
    404: "not-found",
    405: "method-not-allowed",
    413: "too-large",
    414: "uri-too-long",
    415: "unsupported-media-type",
    431: "headers-too-large",
}
_DETAILS = {
    404: "there is nothing under this path",
    405: "the path does not have this method; Allow names those it has",
    413: "the body is larger than the limit",
    415: "send application/json in UTF-8, without a content encoding",
}

log = structlog.get_logger()


def handle_errors(app: Flask) -> None:
    """Register the handlers."""
    app.register_error_handler(Refusal, _refused)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)


def _refused(refusal: Refusal) -> Response:
    answer = problem_answer(refusal.problem, refusal.detail, **refusal.members())
    match refusal:
        case ComeAgain():
            answer.headers["Retry-After"] = str(refusal.retry_after_seconds)
        case NotAuthenticated():
            answer.headers["WWW-Authenticate"] = f'{REALM}, error="invalid_token", error_description="{refusal.detail}"'
        case InsufficientScope():
            answer.headers["WWW-Authenticate"] = (
                f'{REALM}, error="insufficient_scope", scope="{refusal.scope}", error_description="{refusal.detail}"'
            )
    return answer


def _http_error(error: HTTPException) -> Response:
    if isinstance(error, RequestRedirect):
        return Response(status=error.code, headers={"Location": error.new_url})
    if isinstance(error, InternalServerError) and error.original_exception:  # raised while answering, not in a view
        return _unexpected(error.original_exception)
    status = error.code or 500
    problem = PROBLEMS[_BY_STATUS.get(status, "bad-call" if status < 500 else "internal-error")]
    answer = problem_answer(problem, _DETAILS.get(status, problem.meaning), status)
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        answer.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return answer


def _unexpected(error: BaseException) -> Response:
    """Log the place of an unexpected error but not its text: a database's error may repeat a payload."""
    log.error("unforeseen_error", call_id=g.call_id, **error_place(error))
    return problem_answer(PROBLEMS["internal-error"], "an unexpected error; it has been logged")
