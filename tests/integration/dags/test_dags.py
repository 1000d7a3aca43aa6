"""What holds for the files in dags/: a little for every DAG, all of it for those with the tag `oms`.

Every DAG is read without errors and without a word to anybody, says what it does, and ends in bounded time. Operators
answer for a DAG with the tag `oms`, so it also keeps the rules of the house (docs/add-a-job.md#the-rules). A new file
needs no line here. OMS_TEST_DAGS names another folder.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from include.jobs.notify import AlertOnFailure
from include.jobs.retrigger_form import RetriggerForm
from include.local.airflow_api import why_unread

if TYPE_CHECKING:  # seconds to import: only the process that runs these tests pays for it
    from airflow.dag_processing.dagbag import DagBag
    from airflow.sdk import DAG, Param

ROOT = Path(__file__).resolve().parents[3]
FOLDER = Path(os.environ.get("OMS_TEST_DAGS") or ROOT / "dags")
RED_TASKS = ROOT / "docs/runbooks/red-tasks.md"
FILES = sorted(FOLDER.rglob("*.py"))
MOST_CALLS = 100_000  # of functions to read a file, Airflow imported before: about 0.1 s; ours make 46,000 to 63,000
RETRIES = {
    "bulk_operations": {"work_operations"},
    "oms_watchdog": {"look_for_late_work"},
    "oms_reconciliation": {"reconcile"},
}


@pytest.fixture(scope="module")
def bag() -> DagBag:
    """All DAGs as Airflow reads them."""
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(FOLDER, bundle_path=FOLDER, bundle_name="test", safe_mode=False)


def by_file(file: Path) -> str:
    return file.stem


@pytest.fixture(params=FILES, ids=by_file)
def dags(request: pytest.FixtureRequest, bag: DagBag) -> list[DAG]:
    """The DAGs of each file in turn; a helper module has none."""
    return [dag for dag in bag.dags.values() if Path(dag.fileloc) == request.param]


@pytest.fixture
def house_dags(dags: list[DAG]) -> list[DAG]:
    """Those of them that keep the rules of the house."""
    return [dag for dag in dags if "oms" in dag.tags]


# Every DAG


def test_all_can_be_read(bag: DagBag) -> None:
    told = [why_unread(file, error) for file, error in sorted(bag.import_errors.items())]
    assert not told, "\n".join(told)


def test_it_says_what_it_does(dags: list[DAG]) -> None:
    for dag in dags:
        assert dag.doc_md, f"{dag.dag_id} has no doc: write a docstring in its file and pass doc_md=__doc__ to @dag"


def test_it_ends_in_bounded_time(dags: list[DAG]) -> None:
    for dag in dags:
        unbounded = [task.task_id for task in dag.tasks if task.execution_timeout is None]
        assert dag.dagrun_timeout or not unbounded, (
            f"{dag.dag_id} may run for ever: give it a dagrun_timeout, or an execution_timeout to {unbounded}"
        )


# DAGs with the tag `oms`


def test_each_task_that_can_be_red_has_its_place_in_the_runbook(bag: DagBag) -> None:
    dags = [dag for dag in bag.dags.values() if "oms" in dag.tags]
    tasks = {f"{dag.dag_id}.{task.task_id}" for dag in dags for task in dag.tasks}
    told = re.findall(r"^\| (\w+\.\w+) \|", RED_TASKS.read_text("utf-8"), re.MULTILINE)
    row, missing, gone = "| task | why it is red | what to do |", sorted(tasks - set(told)), sorted(set(told) - tasks)
    assert missing == [], f"add a row `{row}` for each of these to docs/runbooks/red-tasks.md: {missing}"
    assert gone == [] or FOLDER != ROOT / "dags", f"no such tasks, remove their rows from red-tasks.md: {gone}"
    assert len(told) == len(set(told)), "a task has two rows in docs/runbooks/red-tasks.md"


def test_it_is_the_one_dag_of_its_file(house_dags: list[DAG]) -> None:
    for dag in house_dags:
        stem = Path(dag.fileloc).stem
        assert dag.dag_id == stem, f"dags/{stem}.py holds the DAG {dag.dag_id}: a file has one DAG, of the file's name"


def test_it_tells_an_operator_what_to_know(house_dags: list[DAG]) -> None:
    for dag in house_dags:
        doc = dag.doc_md or ""
        assert len(doc.splitlines()[0]) < 120, f"{dag.dag_id}: the first line of its doc has to say what it is for"
        for word in ("Red:", "Clear:"):
            assert word in doc, f"{dag.dag_id}: its doc does not say `{word}`, which operators read when it is red"


def test_nothing_can_take_for_ever_or_pile_up(house_dags: list[DAG]) -> None:
    for dag in house_dags:
        assert dag.dagrun_timeout is not None, f"{dag.dag_id} has no dagrun_timeout"
        assert 1 <= dag.max_active_runs <= 16, f"{dag.dag_id}: max_active_runs has to be 1 to 16, as runs may overlap"
        assert dag.catchup is False, f"{dag.dag_id}: catchup has to be False; what is due is in the database"
        for task in dag.tasks:
            has_end = task.execution_timeout or getattr(task, "response_timeout", None)
            assert has_end, f"{dag.dag_id}.{task.task_id} has no execution_timeout"


def test_a_mapped_task_instance_has_a_name(house_dags: list[DAG]) -> None:
    for dag in house_dags:
        for task in dag.tasks:
            if task.is_mapped:
                assert task.map_index_template, f"{dag.dag_id}.{task.task_id} has no map_index_template to name a slice"


def test_tasks_wait_for_nothing_that_is_not_there(house_dags: list[DAG]) -> None:
    for dag in house_dags:
        for task in dag.tasks:
            which = f"{dag.dag_id}.{task.task_id}"
            assert task.pool == "default_pool", f"{which}: nobody makes the pool {task.pool}"
            assert task.queue == "default", f"{which}: no worker serves the queue {task.queue}"
            assert not task.depends_on_past, f"{which}: depends_on_past: one red run would stop all later ones"


def test_its_schedule_does_not_depend_on_where_it_is_read(house_dags: list[DAG]) -> None:
    for dag in house_dags:
        assert dag.start_date is not None, f"{dag.dag_id} has no start_date: use START of include/jobs/schedules.py"
        assert dag.start_date.utcoffset() is not None, f"{dag.dag_id}: its start_date has no time zone"
        assert str(dag.timezone) == "UTC", f"{dag.dag_id} starts in the zone {dag.timezone}; the jobs' zone is UTC"


def test_read_again_it_is_the_same(house_dags: list[DAG]) -> None:
    """Else each reading makes a new version of it in Airflow's database."""
    from airflow.dag_processing.dagbag import DagBag
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.serialization.serialized_objects import DagSerialization

    for dag in house_dags:
        again = DagBag(Path(dag.fileloc), bundle_path=FOLDER, bundle_name="test", safe_mode=False).dags[dag.dag_id]
        first, second = (SerializedDagModel.hash(DagSerialization.to_dict(each)) for each in (dag, again))
        assert first == second, f"{dag.dag_id} differs when it is read again: is there a clock or a random value in it?"


def test_failures_are_told_and_have_an_owner(house_dags: list[DAG]) -> None:
    for dag in house_dags:
        for task in dag.tasks:
            told = [callback for callback in task.on_failure_callback if isinstance(callback, AlertOnFailure)]
            assert len(told) == 1, f"{dag.dag_id}.{task.task_id} tells nobody: default_args=DEFAULT_ARGS of notify.py"
            assert task.owner == "oms", f"{dag.dag_id}.{task.task_id} belongs to {task.owner}, not to oms"


def test_what_may_be_repeated_is_and_nothing_else(house_dags: list[DAG]) -> None:
    for dag in house_dags:
        repeats, all_tasks = {task.task_id for task in dag.tasks if task.retries}, {task.task_id for task in dag.tasks}
        may = all_tasks if dag.dag_id == "oms_housekeeping" else RETRIES.get(dag.dag_id, set())
        assert repeats == may, f"{dag.dag_id}: `retries` may stand at {may or 'no task'}, and stands at {repeats}"


def test_a_run_has_the_colour_of_its_work(house_dags: list[DAG]) -> None:
    """No leaf that runs whatever happened before it: it would hide what is red."""
    for dag in house_dags:
        for task in dag.tasks:
            hides = task.trigger_rule not in ("all_success", "none_failed_min_one_success")
            assert task.downstream_task_ids or not hides, (
                f"{dag.dag_id}.{task.task_id} is a leaf with trigger_rule {task.trigger_rule}: it hides what is red"
            )


def test_each_field_of_a_form_explains_itself(house_dags: list[DAG]) -> None:
    for dag in house_dags:
        for name in dag.params:
            field: Param = dag.params.get_param(name)
            for what in (field.schema.get("title"), field.description, field.schema.get("type")):
                assert what, f"{dag.dag_id}: the Param {name} needs a title, a description and a type"
            field.resolve()  # what it holds before anybody has typed anything is right


# The form of document_retrigger


@pytest.mark.skipif(FOLDER != ROOT / "dags", reason="another folder")
def test_the_form_of_the_retrigger_is_the_one_that_is_checked(bag: DagBag) -> None:
    params = bag.dags["document_retrigger"].params
    assert set(params) == set(RetriggerForm.model_fields)
    assert params["dry_run"] is True


PATTERNS = {
    "request_ids": (["", "1", "1, 2;3\n4 "], ["x", "1 x", "99999999999999999999"]),
    "correlation_ids": (["a b", "a\nb\r\n"], ["x" * 101]),
    "document_name": (["IVZRECPA", " IVZRECPA "], ["x" * 101]),
}


@pytest.mark.skipif(FOLDER != ROOT / "dags", reason="another folder")
@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_lets_in_what_can_be_meant(bag: DagBag, name: str) -> None:
    field = bag.dags["document_retrigger"].params.get_param(name)
    good, bad = PATTERNS[name]
    for text in good:
        field.resolve(text)
    for text in bad:
        with pytest.raises(Exception, match=r"does not match|is too long"):
            field.resolve(text)


# How a file is read


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
        os.waitpid(child, 0)
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
    lines = [line.split("\t") for line in done.stdout.splitlines() if line.startswith(str(FOLDER))]
    return {Path(file): (int(calls), heavy) for file, calls, heavy in lines}


@pytest.mark.parametrize("file", FILES, ids=by_file)
def test_it_is_read_without_a_word_to_anybody(file: Path, read_alone: dict[Path, tuple[int, str]]) -> None:
    assert file in read_alone, f"dags/{file.name} was not read to its end, or talks to somebody while it is read"


@pytest.mark.parametrize("file", FILES, ids=by_file)
def test_a_file_of_the_house_is_read_quickly(file: Path, bag: DagBag, read_alone: dict[Path, tuple[int, str]]) -> None:
    """Counted in calls: a clock would tell how busy the machine is."""
    if not _is_of_the_house(file, bag):
        return
    calls, heavy = read_alone[file]
    assert heavy == "", f"dags/{file.name} imports {heavy} at its top: import in the task what only the task needs"
    assert calls < MOST_CALLS, f"dags/{file.name} makes {calls} calls while it is read: do less at its top"


@pytest.mark.parametrize("file", FILES, ids=by_file)
def test_a_file_of_the_house_holds_nothing_but_its_dag(file: Path, bag: DagBag) -> None:
    """Docstring, imports, constants, functions, one call."""
    if not _is_of_the_house(file, bag):
        return
    allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.FunctionDef, ast.AsyncFunctionDef, ast.If, ast.Expr)
    text = file.read_text("utf-8")
    strange = [node.lineno for node in ast.parse(text).body if not isinstance(node, allowed)]
    assert strange == [], f"dags/{file.name}, lines {strange}: only imports, constants, functions and the DAG's call"
    assert len(text.splitlines()) <= 100, f"dags/{file.name} has more than 100 lines: move work to include/"


def _is_of_the_house(file: Path, bag: DagBag) -> bool:
    return any("oms" in dag.tags for dag in bag.dags.values() if Path(dag.fileloc) == file)
