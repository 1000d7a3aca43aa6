"""Documents a second with one, two and four workers. By hand, after the story of test_deployment.py:

    OMS_TEST_WORKERS=1 make containers

It prints its figures. On two cores the workers share them with the database, the simulator and Airflow.
"""

from __future__ import annotations

import os
import ssl

import psycopg
import pytest

from include.local.chaos.orders import parcels
from include.local.chaos.sender import Sender
from tests.containers.deployment import Deployment, say, wait_for
from tests.containers.test_deployment import END_SECONDS, GATEWAY, UP_SECONDS

pytestmark = pytest.mark.skipif(not os.environ.get("OMS_TEST_WORKERS"), reason="by hand: a measurement, see its head")
REQUESTS = 1_000
PAUSE = "UPDATE outside_systems SET paused_at = now(), paused_by = 'test' WHERE system = 'THUNDERHEAD'"
RESUME = "UPDATE outside_systems SET paused_at = NULL, paused_by = NULL WHERE system = 'THUNDERHEAD'"
UNDER_WAY = """
SELECT count(*) FILTER (WHERE ended_at IS NULL) AS open, count(*) AS all,
    extract(epoch FROM percentile_disc(0.9) WITHIN GROUP (ORDER BY ended_at)
                     - percentile_disc(0.1) WITHIN GROUP (ORDER BY ended_at))::float AS seconds
FROM document_requests WHERE request_id > %s
"""


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_documents_a_second(
    deployment: Deployment, tokens: dict[str, str], trust: ssl.SSLContext, workers: int
) -> None:
    deployment.compose(
        "up", "--detach", "--no-recreate", "--scale", f"airflow-worker={workers}", "--wait", seconds=UP_SECONDS
    )
    with psycopg.connect(deployment.database_url(), autocommit=True) as database:
        [(before,)] = database.execute("SELECT max(request_id) FROM document_requests").fetchall()
        database.execute(PAUSE)
        with Sender(GATEWAY, tokens, parcels(REQUESTS, seed=100 + workers), trust) as sending:
            sending.release(1)
            wait_for("all is handed in", lambda: sending.is_through, END_SECONDS)
        database.execute(RESUME)

        def look() -> tuple[int, float] | None:
            [(still_open, number, seconds)] = database.execute(UNDER_WAY, [before]).fetchall()
            return (number, seconds) if number and not still_open else None

        number, seconds = wait_for("all have ended", look, END_SECONDS)
    rate = 0.8 * number / seconds
    say(f"{workers} workers: {number} requests, {rate:.0f} a second between the 10th and the 90th percentile")
