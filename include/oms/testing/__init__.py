"""The test kit: a real OMS Database and scripted outside systems, so that a test of a new job takes seconds.

Only tests import it. ``docs/add-a-job.md`` shows how to use it.

postgres  a PostgreSQL server for the test run; a fresh, migrated database for each test
kafka     a Kafka-protocol broker for the test run
outside   a Thunderhead and a Reference Data API on real sockets, with answers that the test scripts
system    ``oms``: queue requests, run a job, let time pass, read rows
items     ``items``: run a job of include/jobs/kit.py, with lost answers, dead workers and clears
made      requests with any end, age and error

To run a DAG, use ``include/jobs/testing.py``. This package does not import Airflow.
"""

from __future__ import annotations

FIXTURES = tuple(f"{__name__}.{module}" for module in ("postgres", "kafka", "system", "items"))
"""For ``pytest_plugins``: the modules whose fixtures every test can use."""
