"""docs/clients.md does what it says: its examples run as they stand, its tables are the catalogue's."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from confluent_kafka import Producer

from include.oms.testing.postgres import ROOT
from include.oms.words.model import Category
from include.oms.words.problems import PROBLEMS
from tests.integration.clients.markdown import Example, examples, page, rows
from tests.integration.intake.conftest import PDF, ServedIntake, complete

PAGE = page("clients.md")
EXAMPLES = examples(PAGE)
SUBSCRIBE = 'consumer.subscribe([os.environ["OMS_KAFKA_TOPIC"]])'
ASSIGN = """from confluent_kafka import TopicPartition
topic = os.environ["OMS_KAFKA_TOPIC"]
partitions = consumer.list_topics(topic, timeout=20).topics[topic].partitions
consumer.assign([TopicPartition(topic, number, 0) for number in partitions])"""
NEXT = "--- the next example ---"


@pytest.fixture
def environment(served_intake: ServedIntake, token_of: Callable[..., str]) -> dict[str, str]:
    """What var/local.env sets; the interpreter of the tests is the one that ``python3`` finds."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    release = token_of(subject="second-pair-of-eyes", scopes=["runs:release"])
    tokens = {"OMS_TOKEN": token_of(), "OMS_RELEASE_TOKEN": release}
    own = {"PATH": path, "PYTHONPATH": str(ROOT / "clients/python")}
    return {**os.environ, **own, "OMS_INTAKE_URL": served_intake.url, **tokens}


def python_example(using: str) -> str:
    (text,) = [example.text for example in EXAMPLES if example.language == "python" and using in example.text]
    return text


def shell_examples() -> list[tuple[Example, Any]]:
    """Each with the part of its output that the page shows."""
    return [
        (example, json.loads(shown.text))
        for example, shown in pairwise(EXAMPLES)
        if (example.language, shown.language) == ("sh", "json")
    ]


def assert_shows(printed: Any, shown: Any) -> None:
    """That what was printed has all that the page shows of it."""
    if isinstance(shown, dict):
        for name, value in shown.items():
            assert_shows(printed[name], value)
    elif isinstance(shown, list):
        for one, other in zip(printed, shown, strict=True):
            assert_shows(one, other)
    else:
        assert printed == shown


def test_the_shell_examples_run_one_after_the_other(environment: dict[str, str], tmp_path: Path) -> None:
    pairs = shell_examples()
    assert len(pairs) == sum(example.language == "sh" for example in EXAMPLES) == 13
    script = f"\necho; echo '{NEXT}'\n".join(example.text for example, _ in pairs)
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    for printed, (_, shown) in zip(ran.stdout.split(NEXT), pairs, strict=True):
        assert_shows(json.loads(printed), shown)


def test_the_python_example_follows_a_request_to_its_document(
    environment: dict[str, str], tmp_path: Path, database: str
) -> None:
    """The jobs are not there; the test brings the request to its end."""
    with running(python_example("wait_for_end"), tmp_path, environment) as client:
        with psycopg.connect(database, autocommit=True) as db:
            asked = "SELECT request_id FROM document_requests WHERE request_correlation_id = 'CLIENTS-PYTHON-1'"
            wait_for(lambda: bool(db.execute(asked).fetchall()), client)
            ((request_id,),) = db.execute(asked).fetchall()
            complete(db, request_id)
        output, _ = client.communicate(timeout=60)
    assert client.returncode == 0
    first, second = output.splitlines()
    assert first == "CLIENTS-PYTHON-1 is COMPLETED []"
    assert re.fullmatch(rf"IVZRECPA-[0-9]+\.pdf has {len(PDF)} bytes", second)
    assert (tmp_path / "letter.pdf").read_bytes() == PDF


def test_the_other_calls_from_python_print_what_the_page_shows(environment: dict[str, str], tmp_path: Path) -> None:
    (written,) = re.findall(r"^cat >request.json <<'END'\n(.*?)^END$", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "request.json").write_text(written)
    (shown,) = [example.text for example in EXAMPLES if example.language == "text"]
    program = python_example("cancel_all")
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert (ran.stdout, ran.returncode) == (shown, 0), ran.stderr


@pytest.mark.parametrize("way", ["as one of a group", "of all partitions"])
def test_the_consumer_keeps_each_request_s_last_end_and_acts_once_on_each(
    environment: dict[str, str], tmp_path: Path, kafka_bootstrap: str, way: str, request: pytest.FixtureRequest
) -> None:
    """As one of a group on Apache Kafka alone: under load the wheel's broker takes half a minute and more to form one.

    It holds each answer to a member that joins for five seconds, and forms the group anew when one of them is late.
    """
    program = python_example("confluent_kafka")
    if way == "of all partitions":
        program = program.replace(SUBSCRIBE, ASSIGN)
        assert ASSIGN in program
    elif request.node.callspec.params["kafka_bootstrap"] != "apache":
        pytest.skip("the wheel's broker is slow to form a group; Apache Kafka forms it")
    first, healed, other = event(1, 1, "FAILED"), event(1, 2, "COMPLETED"), event(2, 1, "STOPPED")
    topic = f"ends-{uuid4().hex}"
    producer = Producer({"bootstrap.servers": kafka_bootstrap})
    for one in (first, first, healed, first, healed, other):
        producer.produce(topic, key=one["subject"], value=json.dumps(one))
    assert producer.flush(20) == 0
    settings = {"OMS_KAFKA_BOOTSTRAP": kafka_bootstrap, "OMS_KAFKA_TOPIC": topic}
    with running(program, tmp_path, environment | settings) as consumer:
        lines = printed_lines(consumer)
        wait_for(lambda: len(lines) >= 3, consumer)
    in_order = ["R1 FAILED ['TIMEOUT_ERROR']\n", "R1 COMPLETED ['TIMEOUT_ERROR']\n"]
    assert [line for line in lines if line.startswith("R1")] == in_order
    assert [line for line in lines if not line.startswith("R1")] == ["R2 STOPPED ['TIMEOUT_ERROR']\n"]


def test_every_problem_is_in_the_tables_as_the_catalogue_has_it() -> None:
    told = {
        (row[1].removeprefix("/problems/"), int(row[0]), row[2].startswith("yes")) for row in rows(PAGE, "[0-9]{3}")
    }
    assert told == {(p.name, p.status, p.worth_retrying) for p in PROBLEMS.values() if p.status}
    categories = [(row[0], row[1], row[2].startswith("yes")) for row in rows(PAGE, "[A-Z_]{5,}")]
    assert categories == [(name, PROBLEMS[name].path, PROBLEMS[name].worth_retrying) for name in Category]


def event(request_id: int, revision: int, status: str) -> dict[str, Any]:
    """A final event, as far as a consumer looks."""
    error = {"stage": "GENERATION", "category": "TIMEOUT_ERROR", "description": "", "at": "2030-01-01T00:00:00Z"}
    data = {"request_id": request_id, "request_correlation_id": f"R{request_id}", "source_system": "CIBT",
            "revision": revision, "status": status, "errors": [error]}  # fmt: skip
    return {"id": str(uuid4()), "subject": str(request_id), "data": data}


@contextmanager
def running(program: str, folder: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """The Python program, as long as the block runs."""
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def printed_lines(process: subprocess.Popen[str]) -> list[str]:
    """What it prints; grows as it does."""
    lines: list[str] = []
    assert process.stdout
    threading.Thread(target=lines.extend, args=[process.stdout], daemon=True).start()
    return lines


def wait_for(happened: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Raises AssertionError where it has not within 30 s, or the process is gone."""
    until = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < until
        assert process.poll() is None
        time.sleep(0.05)
