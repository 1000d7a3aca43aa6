"""Every DAG can be read, quickly and without a word to anybody; and says what an operator has to know.

A new file in dags/ gets all of this without a line here.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from include.jobs.notify import AlertOnFailure
from include.jobs.retrigger_form import RetriggerForm

if TYPE_CHECKING:  # seconds to import: only the process that runs these tests pays for it
    from airflow.dag_processing.dagbag import DagBag
    from airflow.sdk import DAG, Param

ROOT = Path(__file__).resolve().parents[3]
FILES = sorted((ROOT / "dags").glob("*.py"))
RED_TASKS = ROOT / "docs/runbooks/red-tasks.md"
MOST_CALLS = 100_000  # of functions to read a file, Airflow imported before: about 0.1 s; ours make 46,000 to 63,000


@pytest.fixture(scope="module")
def bag() -> DagBag:
    """All DAGs as Airflow reads them."""
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(ROOT / "dags", bundle_path=ROOT / "dags", bundle_name="test")


def by_file(file: Path) -> str:
    return file.stem


def test_all_can_be_read(bag: DagBag) -> None:
    assert bag.import_errors == {}
    assert set(bag.dags) == {file.stem for file in FILES}, "one DAG a file, of the file's name"


def test_each_task_that_can_be_red_has_its_place_in_the_runbook(bag: DagBag) -> None:
    tasks = {f"{dag.dag_id}.{task.task_id}" for dag in bag.dags.values() for task in dag.tasks}
    told = re.findall(r"^\| (\w+\.\w+) \|", RED_TASKS.read_text("utf-8"), re.MULTILINE)
    assert sorted(told) == sorted(tasks)


@pytest.fixture(params=FILES, ids=by_file)
def dag(request: pytest.FixtureRequest, bag: DagBag) -> DAG:
    """Each DAG in turn."""
    found: DAG = bag.dags[request.param.stem]
    return found


def test_it_tells_an_operator_what_to_know(dag: DAG) -> None:
    assert dag.doc_md
    assert len(dag.doc_md.splitlines()[0]) < 120, "what it is for, in one line"
    for word in ("Red:", "Clear:"):
        assert word in dag.doc_md
    assert "oms" in dag.tags


def test_nothing_can_take_for_ever_or_pile_up(dag: DAG) -> None:
    assert dag.dagrun_timeout is not None
    assert 1 <= dag.max_active_runs <= 16
    assert dag.catchup is False
    for task in dag.tasks:
        assert task.execution_timeout or getattr(task, "response_timeout", None), task.task_id


def test_a_mapped_task_instance_has_a_name(dag: DAG) -> None:
    for task in dag.tasks:
        if task.is_mapped:
            assert task.map_index_template, f"{task.task_id}: say which slice, for the grid"


def test_tasks_wait_for_nothing_that_is_not_there(dag: DAG) -> None:
    for task in dag.tasks:
        assert task.pool == "default_pool", f"{task.task_id}: nobody makes the pool {task.pool}"
        assert task.queue == "default", f"{task.task_id}: no worker serves the queue {task.queue}"
        assert not task.depends_on_past, f"{task.task_id}: one red run would stop all later ones"


def test_its_schedule_does_not_depend_on_where_it_is_read(dag: DAG) -> None:
    assert dag.start_date is not None
    assert dag.start_date.utcoffset() is not None
    assert str(dag.timezone) == "UTC"


def test_read_again_it_is_the_same(dag: DAG) -> None:
    """Else each reading makes a new version of it in Airflow's database."""
    from airflow.dag_processing.dagbag import DagBag
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.serialization.serialized_objects import DagSerialization

    again = DagBag(ROOT / "dags" / f"{dag.dag_id}.py", bundle_path=ROOT / "dags", bundle_name="test").dags[dag.dag_id]
    first, second = (SerializedDagModel.hash(DagSerialization.to_dict(each)) for each in (dag, again))
    assert first == second


def test_failures_are_told_and_have_an_owner(dag: DAG) -> None:
    for task in dag.tasks:
        assert task.owner == "oms"
        (callback,) = task.on_failure_callback
        assert isinstance(callback, AlertOnFailure)


def test_what_may_be_repeated_is_and_nothing_else(dag: DAG) -> None:
    repeats = {task.task_id for task in dag.tasks if task.retries}
    expected = {
        "bulk_operations": {"work_operations"},
        "oms_watchdog": {"look_for_late_work"},
        "oms_reconciliation": {"reconcile"},
        "oms_housekeeping": {task.task_id for task in dag.tasks},
    }
    assert repeats == expected.get(dag.dag_id, set())


def test_a_run_has_the_colour_of_its_work(dag: DAG) -> None:
    """No leaf that runs whatever happened before it: it would hide what is red."""
    for task in dag.tasks:
        if not task.downstream_task_ids:
            assert task.trigger_rule in ("all_success", "none_failed_min_one_success")


def test_each_field_of_a_form_explains_itself(dag: DAG) -> None:
    for name in dag.params:
        field: Param = dag.params.get_param(name)
        assert field.schema.get("title"), name
        assert field.description, name
        assert field.schema.get("type"), name
        field.resolve()  # what it holds before anybody has typed anything is right


def test_the_form_of_the_retrigger_is_the_one_that_is_checked(bag: DagBag) -> None:
    params = bag.dags["document_retrigger"].params
    assert set(params) == set(RetriggerForm.model_fields)
    assert params["dry_run"] is True


PATTERNS = {
    "request_ids": (["", "1", "1, 2;3\n4 "], ["x", "1 x", "99999999999999999999"]),
    "correlation_ids": (["a b", "a\nb\r\n"], ["x" * 101]),
    "document_name": (["IVZRECPA", " IVZRECPA "], ["x" * 101]),
}


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_lets_in_what_can_be_meant(bag: DagBag, name: str) -> None:
    field = bag.dags["document_retrigger"].params.get_param(name)
    good, bad = PATTERNS[name]
    for text in good:
        field.resolve(text)
    for text in bad:
        with pytest.raises(Exception, match=r"does not match|is too long"):
            field.resolve(text)


READ_ALONE = """
import os, socket, sys
import airflow.sdk, runpy
airflow.sdk.dag, airflow.sdk.task, airflow.sdk.Param
def nobody(*_, **__):
    raise AssertionError("a DAG file talks to somebody while it is read")
def count(_, event, __):
    global calls
    calls += event == "call"
socket.socket.connect = socket.getaddrinfo = nobody
calls = 0
for file in sys.argv[1:]:
    if child := os.fork():
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, file
        continue
    sys.setprofile(count)
    runpy.run_path(file)
    sys.setprofile(None)
    heavy = {"psycopg", "aiohttp", "confluent_kafka", "airflow.models.dagbag"} & set(sys.modules)
    print(file, calls, ",".join(sorted(heavy)), sep="\\t", flush=True)
    os._exit(0)
"""


@pytest.fixture(scope="module")
def read_alone() -> dict[Path, tuple[int, str]]:
    """For each file, read in a process that has only Airflow: the calls that takes, and what need not be imported."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", READ_ALONE, *map(str, FILES)],
        cwd=ROOT, env=None, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [line.split("\t") for line in done.stdout.splitlines() if line.startswith(str(ROOT))]
    return {Path(file): (int(calls), heavy) for file, calls, heavy in lines}


@pytest.mark.parametrize("file", FILES, ids=by_file)
def test_it_is_read_quickly_and_talks_to_nobody(file: Path, read_alone: dict[Path, tuple[int, str]]) -> None:
    """Counted in calls: a clock would tell how busy the machine is."""
    calls, heavy = read_alone[file]
    assert heavy == "", "what only a task needs is imported in the task"
    assert calls < MOST_CALLS


@pytest.mark.parametrize("file", FILES, ids=by_file)
def test_a_file_holds_nothing_but_its_dag(file: Path) -> None:
    """Docstring, imports, constants, one decorated function, one call of it."""
    allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.FunctionDef, ast.If, ast.Expr)
    tree = ast.parse(file.read_text("utf-8"))
    assert all(isinstance(node, allowed) for node in tree.body)
    assert [node.name for node in tree.body if isinstance(node, ast.FunctionDef)] == [file.stem]
    assert len(file.read_text("utf-8").splitlines()) <= 100, "readable in a minute"
