"""A DAG for the commonest job: for each due request, one effect at an outside system, once.

Four words: *due* is a query, *act* has the effect, the *look-up* tells after doubt whether it happened, *refused* is
what a person has to see to. The kit does the rest: claim, slices, lease, intent, breaker, limits, back-off, colours,
names, clear, alerts, the tab *Requests*. docs/add-a-job.md shows one from nothing to cleared.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, CronTriggerTimetable, Param, get_current_context, task

from include.jobs.notify import DEFAULT_ARGS
from include.jobs.schedules import START
from include.oms.items.item import Act, Call, Item, LookUp
from include.oms.outside.systems import check_system
from include.oms.words.errors import OutcomeUnknown, Unavailable
from include.oms.words.errors import Rejected as Refused

if TYPE_CHECKING:
    from include.oms.items.work import ItemJob
    from include.oms.slices.claim import SliceRef

__all__ = ["Call", "Item", "ItemDag", "OutcomeUnknown", "Param", "Refused", "Unavailable", "item_job"]

_NAME = re.compile("[a-z][a-z_]{2,60}")  # slices_job_check takes no digits
_SLICE = "{{ task.op_kwargs['a_slice']['label'] }}"


@dataclass(frozen=True)
class ItemDag:
    """A job as its file declares it, and its DAG."""

    name: str
    system: str
    connection: str
    also: tuple[str, ...]
    due: str
    act: Act
    look_up: LookUp | None
    daily: bool
    params: Mapping[str, Any]
    dag: DAG

    def job(self, params: Mapping[str, Any] | None = None) -> ItemJob:
        """The job without Airflow, with these Params instead of their defaults."""
        from include.oms.items.work import ItemJob

        defaults = {name: getattr(it, "value", it) for name, it in self.params.items()}
        return ItemJob(self.name, self.system, self.due, self.act, self.look_up, {**defaults, **(params or {})})


def item_job(
    name: str,
    *,
    doc: str | None,
    schedule: str | None,
    system: str,
    connection: str,
    also: tuple[str, ...] = (),
    due: str,
    act: Act,
    look_up: LookUp | None,
    params: Mapping[str, Param] | None = None,
    daily: bool = False,
    tags: tuple[str, ...] = (),
    paused: bool = False,
    task_ids: tuple[str, str] = ("claim_due", "act"),
) -> ItemDag:
    """Make the DAG ``name``, which is the name of its file, and return the job.

    ``doc`` is the file's docstring. ``schedule`` is a cron expression in UTC. A run also does what an earlier
    one left for later, so the schedule says how soon a retry comes. ``system`` is a line of
    ``include/oms/outside/systems.toml``; ``connection`` an Airflow Connection of type HTTP,
    ``also`` other Connections that ``act`` reads.

    ``due`` is SQL that selects ``request_id`` and what ``act`` needs; Params are bound by name (``%(days)s``). ``act``
    has the effect by ``call``, and returns a short text to keep, or None. ``look_up`` says whether the effect of
    ``item.name`` exists. None says: to act twice has the effect once. ``daily``: a day without a run that did what was
    due raises the alarm `duty_missed`, from the first such run on.

    Raises ValueError, which says what to do, where something is missing: Airflow shows it as an import error.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name for a job: use small letters and `_`, as slices have them")
    if not doc:
        raise ValueError(f"{name} has no doc: write a docstring at the top of its file, with `Red:` and `Clear:` in it")
    if "request_id" not in due:
        raise ValueError(f"the query `due` of {name} selects no request_id: one row is one request")
    check_system(system)
    with DAG(
        dag_id=name,
        schedule=CronTriggerTimetable(schedule, timezone="UTC") if schedule else None,
        start_date=START,
        catchup=False,
        is_paused_upon_creation=paused,
        max_active_runs=4,  # a cleared run need not wait for the scheduled one; leases keep them apart
        dagrun_timeout=timedelta(hours=2),
        doc_md=doc,
        tags=["oms", *tags],
        params=dict(params or {}),
        default_args=DEFAULT_ARGS,
    ) as dag:
        made = ItemDag(name, system, connection, also, due, act, look_up, daily, params or {}, dag)

        @task(task_id=task_ids[0], execution_timeout=timedelta(minutes=2))
        def claim_due() -> list[SliceRef]:
            from include.jobs.items import claim

            context = get_current_context()
            return claim(replace(made, params=context["params"]), context["run_id"])

        @task(task_id=task_ids[1], map_index_template=_SLICE, execution_timeout=timedelta(minutes=55))
        def act_on(a_slice: SliceRef) -> None:
            from include.jobs.items import work

            context = get_current_context()
            work(replace(made, params=context["params"]), a_slice, context["ti"])

        act_on.expand(a_slice=claim_due())
    return made
