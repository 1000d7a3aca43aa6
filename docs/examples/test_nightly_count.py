"""nightly_count, run by Airflow itself on a real OMS Database."""

from include.jobs.testing import Airflow
from include.oms.testing.made import document
from include.oms.testing.system import Oms


async def test_yesterdays_documents_are_counted(oms: Oms, airflow_runs: Airflow) -> None:
    await document(oms, 1, days=1)
    airflow_runs.connect_database(oms.url)

    run = await airflow_runs.run("nightly_count")

    assert run.state == "success", run.log
