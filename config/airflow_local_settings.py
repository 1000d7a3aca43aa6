"""Airflow imports this first, in each of its processes.

The scheduler's LocalExecutor and Celery's workers fork a process a task, and what they have imported all tasks share.
Measured in the demo on two cores: a claim takes 1.1 s from start to end without this, 0.25 s with it (medians). Imports
only: a client that is opened before the fork would be shared too. OMS's own modules are among them, for 50 ms a task: a
change to them counts when the scheduler, or the worker, starts again.
"""

from __future__ import annotations

import sys
from importlib import import_module

__all__: list[str] = []  # Airflow takes over whatever is public here

_SHARED = (
    "aiohttp",
    "airflow.dag_processing.bundles.local",
    "airflow.providers.apache.kafka.hooks.produce",
    "airflow.providers.http.hooks.http",
    "airflow.providers.postgres.hooks.postgres",
    "airflow.providers.standard.decorators.python",
    "airflow.sdk.definitions.asset.metadata",
    "airflow.sdk.definitions.decorators",
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "confluent_kafka",
    "include.jobs.schedules",
    "include.jobs.slices",
    "jinja2.ext",
    "msgspec",
    "psycopg",
    "pydantic_settings",
    "uvloop",
    "xml.sax.saxutils",
)

if sys.argv[1:2] == ["scheduler"] or sys.argv[1:3] == ["celery", "worker"]:
    for _name in _SHARED:
        import_module(_name)
