"""The test kit: a real OMS Database and scripted neighbours, so that a new job is tested in seconds.

For tests alone; nothing that runs imports it. ``docs/add-a-job.md`` shows it at work.

postgres  a PostgreSQL of the test run's own; a fresh, migrated database for each test
kafka     a Kafka-protocol broker of the test run's own
outside   a Thunderhead and a Reference Data API on real sockets, that answer as the test says
system    ``oms``: queue requests, run a job, let time pass, look
made      requests made to order: any end, any age, any error

How a DAG itself is run is ``include/jobs/testing.py``, for this package knows no Airflow.
"""

from __future__ import annotations

FIXTURES = tuple(f"{__name__}.{module}" for module in ("postgres", "kafka", "system"))
"""For ``pytest_plugins``: whose fixtures every test may ask for."""
