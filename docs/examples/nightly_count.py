"""Count the documents of the day before, by type. An Airflow DAG of stock operators."""

from datetime import UTC, datetime, timedelta

from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from airflow.sdk import dag

COUNT = """
    SELECT document_type, count(*) FROM document_requests
    WHERE status = 'COMPLETED' AND ended_at >= %(day)s::date AND ended_at < %(day)s::date + 1
    GROUP BY document_type
"""


@dag(
    schedule="0 3 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    dagrun_timeout=timedelta(minutes=30),
    default_args={"owner": "reports", "retries": 2},
    doc_md=__doc__,
)
def nightly_count() -> None:
    SQLExecuteQueryOperator(
        task_id="count_documents",
        conn_id="oms_db",
        sql=COUNT,
        parameters={"day": "{{ macros.ds_add(dag_run.run_after | ds, -1) }}"},
    )


nightly_count()
