"""Retrigger any selection of requests that ended FAILED or STOPPED, by a form.

- Started by: a person, with the form. By default it is a dry run, which counts the requests by stage and error
  category, and changes nothing.
- Writes: a bulk operation, which the console lists, can pause and can stop. Status and timeline of the selected
  requests ("airflow:" and the user who triggered the run), at the rate of the form. Enrichment, submission and
  generation failures get a new attempt, monitoring failures a new poll. The two jobs claim them with their next run.
- Approval: a selection of more than OMS_BULK_APPROVAL_ABOVE requests waits for a person, under "Required actions".
  The person who triggered the run may not approve it. If it is rejected, or not answered within a
  day, no request is changed.
- Result: the log of `retrigger` names every request with what became of it: retriggered, healed already, not ended,
  withdrawn by its client, not in the selection, not found. XCom has the first 500 (`results`) and the numbers. What is
  left after an hour, or after this task was killed, is worked by `bulk_operations`.
- Red: the form has mistakes, or the person who approved is not allowed to.
- Clear: does no harm. It goes on with the same operation. Metadata is no field: the console selects by it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import dag, get_current_context, task

from include.jobs.notify import DEFAULT_ARGS
from include.jobs.retrigger_params import APPROVAL_SECONDS, LONGEST_RUN_SECONDS, PARAMS
from include.jobs.schedules import START

if TYPE_CHECKING:
    from include.jobs.retrigger import Counted


@dag(
    schedule=None,
    start_date=START,
    catchup=False,
    max_active_runs=4,
    dagrun_timeout=timedelta(seconds=APPROVAL_SECONDS + LONGEST_RUN_SECONDS + 3600),
    doc_md=__doc__,
    tags=["oms"],
    params=PARAMS,
    default_args=DEFAULT_ARGS,
)
def document_retrigger() -> None:
    @task(execution_timeout=timedelta(minutes=15))
    def count_selection() -> Counted:
        from include.jobs.retrigger import count

        return count(dict(get_current_context()["params"]), approve="approve", retrigger="retrigger")

    @task.branch(execution_timeout=timedelta(minutes=1))
    def choose_way(counted: Counted) -> list[str]:
        return [counted["next_task"]] if counted["next_task"] else []

    approve = ApprovalOperator(
        task_id="approve",
        subject="{{ dag_run.triggering_user_name or 'Somebody' }} asks to retrigger "
        "{{ ti.xcom_pull(task_ids='count_selection')['total'] }} requests",
        body="{{ ti.xcom_pull(task_ids='count_selection')['text'] }}",
        defaults=ApprovalOperator.REJECT,
        response_timeout=timedelta(seconds=APPROVAL_SECONDS),
    )

    @task(
        trigger_rule="none_failed_min_one_success",  # after the approval, or straight after the choice
        execution_timeout=timedelta(seconds=LONGEST_RUN_SECONDS + 600),
    )
    def retrigger(counted: Counted) -> dict[str, int]:
        from include.jobs.retrigger import actor_of, approver, drive

        context = get_current_context()
        asked_by = context["dag_run"].triggering_user_name
        approved_by = approver(context["ti"].xcom_pull(task_ids="approve"), asked_by)
        params = dict(context["params"])
        return drive(params, counted, actor=actor_of(asked_by), ti=context["ti"], approved_by=approved_by)

    counted: Any = count_selection()
    way = choose_way(counted)
    driven = retrigger(counted=counted)
    way >> [approve, driven]
    approve >> driven


document_retrigger()
