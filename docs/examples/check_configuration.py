"""Ask the Reference Data API every morning whether a document has its configuration, with Airflow's own operator.

Reads:  GET /v1/document-configurations/search, by the Connection `reference_data_api`.
Writes: nothing.
Red:    there is no batch configuration. The log of `configuration_exists` has the answer.
Clear:  asks again.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.http.operators.http import HttpOperator
from airflow.sdk import CronTriggerTimetable, dag


def has_batch_configuration(response: Any) -> bool:
    """Whether the answer of the search names the batch configuration."""
    return any(row["code"] == "BATCH_CONFIG_ID" for row in response.json())


@dag(
    schedule=CronTriggerTimetable("0 5 * * *", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=1),
    doc_md=__doc__,
    tags=["oms", "example"],
)
def check_configuration() -> None:
    HttpOperator(
        task_id="configuration_exists",
        http_conn_id="reference_data_api",
        method="GET",
        endpoint="/v1/document-configurations/search",
        data={"documentName": "IVZRECPA", "footerId": "2"},
        response_check=has_batch_configuration,
        deferrable=True,  # the triggerer waits for the answer, no worker does
        execution_timeout=timedelta(minutes=2),
    )


check_configuration()
