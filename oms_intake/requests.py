"""/v1/document-requests: parse, call the domain, answer."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from flask import Blueprint, Response, g, request

from include.oms.intake import accepting, bulk, cancelling, finding, replaying
from include.oms.intake.accepting import Acceptance, Taken
from include.oms.intake.bulkheads import REFUSED_SECONDS, Kind
from include.oms.words.refusals import Refusal
from oms_intake.answers import json_answer, problem_content
from oms_intake.authentication import READ, WRITE, caller, needs, working
from oms_intake.bodies import BULK, body_in_turn, json_body, refuse_large_body
from oms_intake.parameters import boolean, instant, once, one_of, parameters, search
from oms_intake.parts import parts

PATH = "/v1/document-requests"

requests = Blueprint("requests", __name__, url_prefix=PATH)
requests.before_request(refuse_large_body)


@requests.after_request
def tell_quotas(answer: Response) -> Response:
    """Tell what is left of the quotas, on each answer to a call that stores."""
    if request.endpoint in ("requests.ask", BULK) and (source_system := g.get("source_system")):
        answer.headers.update(parts().quotas.headers(source_system))
    return answer


@requests.post("")
@needs(WRITE)
def ask() -> Response:
    """Ask for one document."""
    validate_only = parameters(validate_only=once(boolean)).get("validate_only", False)
    own, now = parts(), datetime.now(UTC)
    if not validate_only:
        _turn_away_if_exhausted()
    quotas = None if validate_only else own.quotas
    with body_in_turn() as body:
        checked = accepting.check_call(own.database, caller(), own.reference_data, quotas, body, now)
        if validate_only and not isinstance(checked, Taken):
            stored = accepting.would_accept(own.database, caller(), checked)
            return _taken(stored) if stored else json_answer({"valid": True})
        if isinstance(checked, Taken):
            return _taken(checked)
        return _taken(accepting.accept(own.database, own.store, own.quotas, caller(), checked))


@requests.post("/bulk")
@needs(WRITE)
def ask_for_many() -> Response:
    """Ask for up to 500 documents."""
    parameters()
    own, now = parts(), datetime.now(UTC)
    _turn_away_if_exhausted()
    most = own.settings.max_body_bytes
    with working(Kind.COSTLY):
        outcomes = bulk.accept_bulk(
            own.database, caller(), own.reference_data, own.quotas, json_body(), now, most_bytes_each=most
        )
        results = [_result(outcome) for outcome in outcomes]
        counts = {name: sum(result["status"] in statuses for result in results) for name, statuses in _COUNTED.items()}
        return json_answer({"results": results, **counts})


@requests.get("")
@needs(READ)
def find() -> Response:
    """Find requests."""
    wanted = search()
    with working(Kind.SEARCH):
        items, next_cursor = finding.find(parts().database, caller().source_system, wanted)
    return json_answer({"items": items, "next_cursor": next_cursor})


@requests.get("/summary")
@needs(READ)
def summary() -> Response:
    """Count requests by status."""
    asked = parameters(created_from=once(instant), created_to=once(instant))
    with working(Kind.SEARCH):
        return json_answer(finding.count(parts().database, caller().source_system, **asked))


@requests.get("/<int:request_id>")
@needs(READ)
def get(request_id: int) -> Response:
    """One request."""
    parameters()
    g.request_id = request_id
    with working(Kind.PLAIN):
        return json_answer(finding.get(parts().database, caller().source_system, request_id))


@requests.get("/<int:request_id>/timeline")
@needs(READ)
def timeline(request_id: int) -> Response:
    """Everything that happened to a request."""
    parameters()
    g.request_id = request_id
    with working(Kind.PLAIN):
        return json_answer({"items": finding.timeline(parts().database, caller().source_system, request_id)})


@requests.post("/<int:request_id>/cancel")
@needs(WRITE)
def cancel(request_id: int) -> Response:
    """Withdraw a request."""
    parameters()
    g.request_id = request_id
    with working(Kind.PLAIN):
        return json_answer(cancelling.cancel(parts().database, caller(), request_id))


@requests.post("/<int:request_id>/events/replay")
@needs(WRITE)
def replay(request_id: int) -> Response:
    """Publish the final event of a request once more."""
    parameters()
    g.request_id = request_id
    with working(Kind.PLAIN):
        return json_answer(replaying.replay(parts().database, caller(), request_id), 202)


@requests.get("/<int:request_id>/content")
@needs(READ)
def content(request_id: int) -> Response:
    """The JSON that was sent, or the XML that Thunderhead got."""
    form = parameters(format=once(one_of("json", "xml"))).get("format", "json")
    g.request_id = request_id
    with working(Kind.PLAIN):
        text = finding.content(parts().database, caller().source_system, request_id, form)
    return Response(text, mimetype=f"application/{form}")


def _turn_away_if_exhausted() -> None:
    """Refuse a call whose source system has used up a quota, before its body is read. Raises QuotaExceeded."""
    if refusal := parts().quotas.exhausted(caller().source_system):
        with working(Kind.REFUSED):
            time.sleep(REFUSED_SECONDS)
        raise refusal


_COUNTED = {"accepted": {202}, "replayed": {200}, "rejected": {409, 422}}


def _taken(taken: Taken) -> Response:
    g.request_id = taken.request["request_id"]
    return json_answer(taken.request, 202 if taken.is_new else 200, Location=f"{PATH}/{g.request_id}")


def _result(outcome: Acceptance | Refusal) -> dict[str, object]:
    """One line of a bulk answer: the answer that the single call would have got."""
    if isinstance(outcome, Refusal):
        content = problem_content(outcome.problem, outcome.detail, **outcome.members())
        return {"status": content["status"], "body": content | {"instance": PATH}}
    request_id = outcome.request["request_id"]
    return {"status": 202 if outcome.is_new else 200, "request_id": request_id, "body": outcome.request}
