"""/v1/runs: parse, call the domain, answer."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Blueprint, Response, request

from include.oms.intake import runs as domain
from include.oms.intake.bulkheads import Kind
from include.oms.intake.finding import before_cursor
from oms_intake.answers import json_answer
from oms_intake.authentication import READ, RELEASE, WRITE, caller, needs, working
from oms_intake.bodies import body_in_turn, refuse_large_body
from oms_intake.parameters import name, once, parameters, whole_number
from oms_intake.parts import parts

PATH = "/v1/runs"
LARGEST_PAGE, PAGE = 50, 20  # the requests of each run are counted

runs = Blueprint("runs", __name__, url_prefix=PATH)
runs.before_request(refuse_large_body)


@runs.post("")
@needs(WRITE)
def open_run() -> Response:
    """Open a run."""
    parameters()
    with body_in_turn() as body:
        run, is_new = domain.open_run(parts().database, caller(), parts().reference_data, body, datetime.now(UTC))
    return json_answer(run, 201 if is_new else 200, Location=f"{PATH}/{run['run_id']}")


@runs.get("")
@needs(READ)
def find_runs() -> Response:
    """Find runs."""
    asked = parameters(name=once(name), limit=once(whole_number(1, LARGEST_PAGE)), cursor=once(before_cursor))
    if "cursor" in asked:
        asked["before"] = asked.pop("cursor")
    with working(Kind.SEARCH):
        items, next_cursor = domain.find_runs(parts().database, caller().source_system, **{"limit": PAGE} | asked)
    return json_answer({"items": items, "next_cursor": next_cursor})


@runs.get("/<int:run_id>")
@needs(READ)
def get_run(run_id: int) -> Response:
    """One run, with its requests counted."""
    parameters()
    with working(Kind.SEARCH):
        return json_answer(domain.get_run(parts().database, caller().source_system, run_id))


@runs.post("/<int:run_id>/close")
@needs(WRITE)
def close_run(run_id: int) -> Response:
    """Close a run."""
    parameters()
    has_body = bool(request.content_length) or "Transfer-Encoding" in request.headers
    with body_in_turn() if has_body else working(Kind.SEARCH) as body:
        topic = parts().settings.kafka_run_topic
        return json_answer(domain.close_run(parts().database, caller(), run_id, body or b"", topic=topic))


@runs.post("/<int:run_id>/release")
@needs(RELEASE)
def release_run(run_id: int) -> Response:
    """Release a held run."""
    parameters()
    with working(Kind.PLAIN):
        return json_answer(domain.release_run(parts().database, caller(), run_id))
