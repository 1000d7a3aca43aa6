"""The tasks of document_retrigger: count a selection, make it a bulk operation, and log a result for each request."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypedDict

from airflow.sdk.exceptions import AirflowFailException

from include.jobs.hooks import oms_database_url
from include.jobs.retrigger_form import RetriggerForm, read_form
from include.jobs.retrigger_params import LONGEST_RUN_SECONDS
from include.oms.base import database
from include.oms.base.settings import settings
from include.oms.base.tables import age_text, markdown_table
from include.oms.operators.audit import Door, run_subject
from include.oms.operators.bulk_operations import (
    Action,
    AnsweredRequest,
    Count,
    OperationState,
    RequestAnswer,
    count_selection,
    create_operation,
    lease_operation,
    operation,
    work_operation,
)
from include.oms.outside.text import clean_text

if TYPE_CHECKING:
    from airflow.sdk.types import RuntimeTaskInstanceProtocol as TaskInstance

MOST_RESULTS_IN_XCOM = 500
IDS_A_LINE = 100

log = logging.getLogger("oms")


class Counted(TypedDict):
    """The result of the count, for the next tasks."""

    total: int
    kinds: list[list[str | int]]  # status, stage, category, requests
    counted_at: str
    next_task: str | None  # None: the run is done
    text: str  # Markdown, for the person who approves


def count(params: dict[str, Any], *, approve: str, retrigger: str) -> Counted:
    """Count the requests of the form and name the next task. Raises AirflowFailException if it has mistakes."""
    form = _form(params)

    async def counted() -> Count:
        async with await database.connect(oms_database_url(), settings(), application_name="retrigger") as connection:
            return await count_selection(connection, form.selection())

    found = asyncio.run(counted())
    seconds = found.total / form.per_second
    text = f"{form.in_words()}\n\n{_table(found)}\n\n{form.per_second:g} requests a second: {age_text(seconds)} in all."
    log.info("%d requests\n%s", found.total, text)
    if form.dry_run or not found.total:
        log.info("dry run: nothing is changed" if form.dry_run else "no request is selected: nothing to do")
        next_task = None
    else:
        next_task = approve if found.total > settings().bulk_approval_above else retrigger
    kinds: list[list[str | int]] = [[*kind, n] for kind, n in found.by_kind.items()]
    return Counted(
        total=found.total, kinds=kinds, counted_at=found.counted_at.isoformat(), next_task=next_task, text=text
    )


def approver(approval: Any, asked_by: str | None) -> str | None:
    """The person who approved, or None if no approval was needed.

    Raises AirflowFailException if this is the person who triggered the run, or if Airflow does not know who it is.
    """
    if not approval:
        return None
    name = str((approval.get("responded_by_user") or {}).get("name") or "unknown")
    if name in (asked_by, "unknown"):
        raise AirflowFailException(f"{name} may not approve: a second person has to. Trigger this DAG again")
    return name


def drive(
    params: dict[str, Any], counted: Counted, *, actor: str, ti: TaskInstance, approved_by: str | None = None
) -> dict[str, int]:
    """Work the counted requests as a bulk operation. Return the number of each answer; the log has each request's.

    Started again, it goes on with the same operation. What is left after LONGEST_RUN_SECONDS, bulk_operations works.
    """
    form = _form(params)
    counts: Counter[RequestAnswer] = Counter()
    first: list[list[str]] = []
    kinds = {(str(status), str(stage), str(category)): int(n) for status, stage, category, n in counted["kinds"]}

    async def driven() -> None:
        async with await database.connect(oms_database_url(), settings(), application_name="retrigger") as connection:
            operation_id = await create_operation(
                connection, Action.RETRIGGER, form.selection(),
                Count(kinds, datetime.fromisoformat(counted["counted_at"])),
                subject=form.in_words(), actor=actor, door=Door.DAG, reason=None, per_second=form.per_second,
                approval_above=settings().bulk_approval_above, origin=run_subject(ti.dag_id, ti.run_id),
                approved_by=approved_by and actor_of(approved_by),
            )  # fmt: skip
            if leased := await lease_operation(connection, operation_id):
                async for results in work_operation(connection, leased, max_seconds=LONGEST_RUN_SECONDS):
                    counts.update(it.answer for it in results)
                    first.extend([it.request, str(it.answer)] for it in results[: MOST_RESULTS_IN_XCOM - len(first)])
                    _log(results)
            now = await operation(connection, operation_id)
            if now and now["state"] != OperationState.DONE:
                log.warning("operation %d is %s: see the page Bulk operations", operation_id, now["state"])

    try:
        asyncio.run(driven())
    finally:
        ti.xcom_push(key="results", value=first)
        log.info("%s", ", ".join(f"{n} {answer}" for answer, n in counts.items()) or "no request was left to retrigger")
    return {str(answer): n for answer, n in counts.items()}


def actor_of(user: str | None) -> str:
    """The actor for the timeline: the Airflow user who triggered the run, or the DAG if there is no user."""
    return clean_text(f"airflow:{user or 'document_retrigger'}", longest=100)


def _form(params: dict[str, Any]) -> RetriggerForm:
    try:
        return read_form(params)
    except ValueError as error:
        raise AirflowFailException(str(error)) from error


def _table(found: Count) -> str:
    rows = [(*kind, n) for kind, n in found.by_kind.items()]
    return markdown_table(["status", "stage", "category", "requests"], [*rows, ("all", "", "", found.total)])


def _log(results: Iterable[AnsweredRequest]) -> None:
    """Log every request with its answer, many requests a line."""
    by_answer: dict[RequestAnswer, list[str]] = defaultdict(list)
    for it in results:
        by_answer[it.answer].append(it.request)
    for answer, requests in by_answer.items():
        for start in range(0, len(requests), IDS_A_LINE):
            log.info("%s: %s", answer, ", ".join(requests[start : start + IDS_A_LINE]))
