"""Queue a cleared run again that Airflow has lost: one that was cleared in the moment it ended.

Airflow 3.3.2 decides in the API server whether a cleared run has to be queued again, and in the scheduler whether the
run has ended, each on what it read before the other wrote. Where a task instance is cleared in the moment its run
ends, the run stays failed with a task instance that nobody will run (measured: one in fourteen, clearing 0.2 s after
the failure). So the scheduler looks once more, a little after a run has failed, and queues it again where a
task instance was cleared.
"""

from __future__ import annotations

import logging
import sys
from threading import Timer
from typing import TYPE_CHECKING, Any

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

LOOK_AGAIN_SECONDS = (1.0, 5.0)  # a clear under way is committed within the first; the second is for a slow database

log = logging.getLogger(__name__)


@hookimpl
def on_dag_run_failed(dag_run: DagRun, msg: str) -> None:
    """In the scheduler, before it commits the run's end."""
    for seconds in LOOK_AGAIN_SECONDS:
        timer = Timer(seconds, queue_again_if_cleared, (dag_run.dag_id, dag_run.run_id))
        timer.daemon = True
        timer.start()


def queue_again_if_cleared(dag_id: str, run_id: str) -> None:
    """Queue the run, as a clear does, where it has failed and yet holds a task instance without a state."""
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from sqlalchemy import CursorResult, exists, select, update

    cleared = exists(
        select(TaskInstance.id).where(
            TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id, TaskInstance.state.is_(None)
        )
    )
    mine = (DagRun.dag_id == dag_id, DagRun.run_id == run_id, DagRun.state == DagRunState.FAILED)
    try:
        with create_session() as session:
            queued: CursorResult[Any] = session.execute(  # type: ignore[assignment]
                update(DagRun)
                .where(*mine, cleared)
                .values(state=DagRunState.QUEUED, start_date=None, end_date=None, last_scheduling_decision=None)
                .execution_options(synchronize_session=False)
            )
        if queued.rowcount:
            log.warning("%s %s was cleared as it ended: queued again", dag_id, run_id)
    except Exception:  # the operator can clear again
        log.exception("could not look at %s %s again", dag_id, run_id)


class ClearedRuns(AirflowPlugin):
    """Registers this module as a listener."""

    name = "oms_cleared_runs"
    listeners = [sys.modules[__name__]]  # noqa: RUF012 - Airflow's way
