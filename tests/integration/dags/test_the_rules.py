"""What the tests of dags/ ask of a file: little of stock operators, and each fault in one line that says what to do."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from include.oms.testing.postgres import ROOT

HEAD = '"""Report of the night."""\nfrom datetime import datetime, timedelta\n'
STOCK = (
    HEAD
    + """
import pendulum
from airflow.providers.apache.kafka.operators.produce import ProduceToTopicOperator
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from airflow.sdk import dag
from helper import TOPIC

@dag(schedule="@daily", start_date=pendulum.datetime(2026, 1, 1, tz="Europe/Berlin"), doc_md=__doc__,
     catchup=True, dagrun_timeout=timedelta(hours=1), default_args={"owner": "reports", "retries": 3})
def stock():
    SQLExecuteQueryOperator(task_id="count", conn_id="oms_db", sql="SELECT 1") >> ProduceToTopicOperator(
        task_id="tell", topic=TOPIC, producer_function=lambda: [])

stock()
"""
)
A_DAG = HEAD + "from airflow.sdk import DAG\n"
FILES = {
    "stock.py": STOCK,
    "helper.py": '"""No DAG."""\nTOPIC = "reports"\n',
    "two.py": A_DAG
    + 'for it in "ab":\n    with DAG(it, doc_md=__doc__, dagrun_timeout=timedelta(hours=1)):\n        pass\n',
    "broken.py": "this is no Python\n",
    "without_doc.py": A_DAG + 'with DAG("without_doc", dagrun_timeout=timedelta(hours=1)):\n    pass\n',
    "endless.py": A_DAG
    + "from airflow.providers.standard.operators.empty import EmptyOperator\n"
    + 'with DAG("endless", doc_md=__doc__):\n    EmptyOperator(task_id="waits")\n',
    "talks.py": "import socket\nsocket.create_connection(('127.0.0.1', 1))\n",
    "house.py": STOCK.replace("stock", "house").replace("doc_md=__doc__", 'doc_md=__doc__, tags=["oms"]'),
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The last lines of the tests' own run over these files: what failed, and why."""
    folder = tmp_path_factory.mktemp("dags")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rf", "tests/integration/dags/test_dags.py"],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "OMS_TEST_DAGS": str(folder), "PYTHONPATH": str(folder), "COLUMNS": "1000"},
    )  # fmt: skip
    return [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]


@pytest.mark.parametrize("file", ["stock", "helper", "two"])
def test_stock_operators_helpers_and_two_dags_in_a_file_are_fine(said: list[str], file: str) -> None:
    assert said
    assert [line for line in said if f"[{file}]" in line] == []


@pytest.mark.parametrize(
    "line",
    [
        "broken.py, line 1 cannot be read: SyntaxError: invalid syntax",
        "[without_doc] - AssertionError: without_doc has no doc: write a docstring in its file and pass doc_md=__doc__",
        "endless may run for ever: give it a dagrun_timeout, or an execution_timeout to ['waits']",
        "[talks] - AssertionError: dags/talks.py was not read to its end, or talks to somebody while it is read",
        "add a row `| task | why it is red | what to do |` for each of these to docs/runbooks/red-tasks.md: ['house",
        "[house] - AssertionError: house starts in the zone Europe/Berlin; the jobs' zone is UTC",
        "[house] - AssertionError: house: its doc does not say `Red:`, which operators read when it is red",
        "[house] - AssertionError: house: catchup has to be False; what is due is in the database",
        "[house] - AssertionError: dags/house.py imports confluent_kafka",
    ],
)
def test_a_fault_is_one_line_that_says_what_to_do(said: list[str], line: str) -> None:
    assert any(line in each for each in said), "\n".join(said)
