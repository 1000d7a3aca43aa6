"""A job of Airflow's own operators on our Connections: the second example of docs/add-a-job.md."""

from __future__ import annotations

import pytest

from include.jobs.testing import Airflow
from include.oms.testing.outside import FakeReferenceData, served
from include.oms.testing.postgres import ROOT

EXAMPLE = ROOT / "docs/examples/check_configuration.py"


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_deferred_get_is_green_or_red_by_its_answer(airflow_runs: Airflow, is_known: bool) -> None:
    reference_data = FakeReferenceData(unknown_documents=set() if is_known else {"IVZRECPA"})
    async with served(reference_data.app()) as url:
        airflow_runs.connect("reference_data_api", conn_type="http", host=url)
        run = await airflow_runs.run("check_configuration", file=EXAMPLE)
    assert run.state == ("success" if is_known else "failed"), run.log
    assert reference_data.calls
