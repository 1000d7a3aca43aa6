"""Withdraw all requests that match, as a bulk operation, and show its progress. The job bulk_operations works it."""

from __future__ import annotations

import psycopg
from flask import Blueprint, Response
from pydantic import ValidationError

from include.oms.base import database as jobs_database
from include.oms.intake import operations as shown
from include.oms.intake.bulkheads import Kind
from include.oms.intake.finding import NARROWED_BY, Search
from include.oms.intake.refusals import DatabaseOutOfReach, MatchesAll, TooWide
from include.oms.operators.client_withdrawal import Withdrawal, withdraw_all
from include.oms.operators.selection import Selection
from include.oms.words.model import Status
from oms_intake.answers import json_answer
from oms_intake.authentication import READ, WRITE, caller, needs, working
from oms_intake.bodies import refuse_large_body
from oms_intake.parameters import parameters, search_to_act_on
from oms_intake.parts import parts
from oms_intake.requests import PATH

OPERATIONS = "/v1/operations"
COUNT_SECONDS = 10.0  # for the count and the operation's row; the gateway ends a call after 35 s

operations = Blueprint("operations", __name__)
operations.before_request(refuse_large_body)


@operations.post(f"{PATH}/cancel")
@needs(WRITE)
def cancel_all() -> Response:
    """Withdraw all queued requests that match."""
    wanted, options = search_to_act_on(dry_run=True, confirm_all=False)
    with working(Kind.SEARCH):
        found = _withdraw(wanted, **options)
    if found.matches_all and found.number and not options["dry_run"] and not options["confirm_all"]:
        raise MatchesAll(f"the filter matches all {found.number} queued requests; confirm_all says that this is meant")
    content: dict[str, object] = {
        "dry_run": options["dry_run"],
        "number": found.number,
        "matches_all": found.matches_all,
        "needs_approval": found.needs_approval,
        "operation": None,
    }
    if found.operation_id is None:
        return json_answer(content)
    content["operation"] = shown.operation(parts().database, caller().source_system, found.operation_id)
    return json_answer(content, 202, Location=f"{OPERATIONS}/{found.operation_id}")


@operations.get(f"{OPERATIONS}/<int:operation_id>")
@needs(READ)
def operation(operation_id: int) -> Response:
    """The progress of an operation."""
    parameters()
    return json_answer(shown.operation(parts().database, caller().source_system, operation_id))


def _selection(wanted: Search) -> Selection | None:
    """The filter as a selection; None if a name is longer than any request's, so that nothing matches."""
    try:
        return Selection(
            statuses=tuple(map(Status, wanted.status)) if wanted.status else None,
            document_type=wanted.document_type,
            document_name=wanted.document_name,
            correlation_ids=(wanted.request_correlation_id,) if wanted.request_correlation_id else None,
            run_id=wanted.run_id,
            metadata=tuple(wanted.metadata) or None,
            created_from=wanted.created_from,
            created_to=wanted.created_to,
        )
    except ValidationError:
        return None


def _withdraw(wanted: Search, *, dry_run: bool, confirm_all: bool) -> Withdrawal:
    """Raises TooWide and DatabaseOutOfReach."""
    settings, client, selection = parts().settings, caller(), _selection(wanted)
    bounded = settings.model_copy(update={"statement_timeout_seconds": settings.intake_statement_timeout_seconds})
    if selection is None:
        return Withdrawal(0, matches_all=False, needs_approval=False)

    async def work() -> Withdrawal:
        async with await jobs_database.connect(
            settings.database_url, bounded, application_name="oms-intake operations"
        ) as connection:
            return await withdraw_all(
                connection, client.source_system, selection, actor=client.actor,
                subject=_in_words(client.source_system, wanted), dry_run=dry_run, confirm_all=confirm_all,
                approval_above=settings.bulk_approval_above,
            )  # fmt: skip

    try:
        return parts().loop_thread.run(work(), seconds=COUNT_SECONDS)
    except (TimeoutError, psycopg.errors.QueryCanceled) as error:
        raise TooWide("counting takes too long", NARROWED_BY) from error
    except psycopg.OperationalError as error:
        raise DatabaseOutOfReach("the OMS Database does not answer in time") from error


def _in_words(source_system: str, wanted: Search) -> str:
    """The filter for the audit trail: of metadata the keys alone."""
    said = {
        "source_system": source_system,
        "document_type": wanted.document_type,
        "document_name": wanted.document_name,
        "request_correlation_id": wanted.request_correlation_id,
        "run_id": wanted.run_id,
        "metadata": ", ".join(f"{key}:…" for key, _ in wanted.metadata),
        "created_from": wanted.created_from,
        "created_to": wanted.created_to,
    }
    return "; ".join(f"{name}: {value}" for name, value in said.items() if value)
