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

import httpx
import psycopg
import pytest
from confluent_kafka import Producer

from include.oms.testing.postgres import ROOT
from include.oms.words.model import Category
from include.oms.words.problems import PROBLEMS
from oms_intake.settings import IntakeSettings
from tests.integration.clients.markdown import Example, examples, page, rows
from tests.integration.intake.conftest import PDF, ReferenceDataServer, ServedIntake, a_request, complete

PAGE = page("clients.md")
EXAMPLES = examples(PAGE)
SUBSCRIBE = 'consumer.subscribe([os.environ["OMS_KAFKA_TOPIC"]])'
ASSIGN = """from confluent_kafka import TopicPartition
topic = os.environ["OMS_KAFKA_TOPIC"]
partitions = consumer.list_topics(topic, timeout=20).topics[topic].partitions
consumer.assign([TopicPartition(topic, number, 0) for number in partitions])"""
NEXT = "--- the next example ---"
RULED = ("CLIENTS-4", "CLIENTS-6")  # the examples that need a schema, or a quota that is used up


@pytest.fixture
def environment(served_intake: ServedIntake, token_of: Callable[..., str]) -> dict[str, str]:
    """What var/local.env sets; the interpreter of the tests is the one that ``python3`` finds."""
    return environment_of(served_intake.url, token_of)


def environment_of(url: str, token_of: Callable[..., str]) -> dict[str, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    release = token_of(subject="second-pair-of-eyes", scopes=["runs:release"])
    tokens = {"OMS_TOKEN": token_of(), "OMS_RELEASE_TOKEN": release}
    own = {"PATH": path, "PYTHONPATH": str(ROOT / "clients/python")}
    return {**os.environ, **own, "OMS_INTAKE_URL": url, **tokens}


@pytest.fixture(params=["refuse", "warn"])
def ruled_intake(
    request: pytest.FixtureRequest, database: str, client_key: Path, tmp_path: Path
) -> Iterator[ServedIntake]:
    """An intake with the page's schema in this mode, and the page's quota of one request an hour for ARCADE."""
    reference_data = ReferenceDataServer()
    (schema,) = [
        json.loads(it.text) for it in EXAMPLES if it.language == "json" and it.text.startswith('{"properties"')
    ]
    mode = request.param
    reference_data.schemas["POSHOOFF"] = {"id": 1, "documentName": "POSHOOFF", "mode": mode, "schema": schema}
    quotas = {"mostOpenRequests": 1000, "mostRequestsAnHour": 1, "mostBytesAnHour": 10**6}
    reference_data.quotas["ARCADE"] = {"id": 1, "sourceSystem": "ARCADE", **quotas}
    settings = IntakeSettings(
        database_url=database,
        reference_data_url=reference_data.url,
        jwt_public_key_file=client_key.with_name("jwt-public.pem"),
        intake_workers=1,
        intake_threads=4,
    )
    served = ServedIntake(settings, tmp_path / "intake.log")
    served.wait_until_ready()
    yield served
    served.stop()
    reference_data.stop()


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
    assert len(pairs) == sum(example.language == "sh" for example in EXAMPLES) == 16
    run_in_turn([pair for pair in pairs if not any(name in pair[0].text for name in RULED)], environment, tmp_path)


def run_in_turn(pairs: list[tuple[Example, Any]], environment: dict[str, str], tmp_path: Path) -> None:
    """Run these examples in one shell. Raises AssertionError if one prints something else than the page shows."""
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
    write_request(tmp_path)
    program = python_example("cancel_all")
    assert printed_by(program, tmp_path, environment) == shown_after(program)


@pytest.mark.parametrize("ruled_intake", ["refuse"], indirect=True)
def test_a_schema_and_a_quota_refuse_as_the_page_shows(
    ruled_intake: ServedIntake, token_of: Callable[..., str], tmp_path: Path
) -> None:
    environment = environment_of(ruled_intake.url, token_of) | {"OMS_TOKEN": token_of(source_system="ARCADE")}
    schema, quota = ([pair for pair in shell_examples() if name in pair[0].text] for name in RULED)
    write_request(tmp_path)
    run_in_turn(schema, environment, tmp_path)
    ask_once(environment)
    run_in_turn(quota, environment, tmp_path)
    program = python_example("attempts=1")
    assert printed_by(program, tmp_path, environment) == shown_after(program)


@pytest.mark.parametrize("ruled_intake", ["warn"], indirect=True)
def test_in_the_mode_warn_the_same_call_is_answered_202(
    ruled_intake: ServedIntake, token_of: Callable[..., str], tmp_path: Path
) -> None:
    ((example, _),) = [pair for pair in shell_examples() if RULED[0] in pair[0].text]
    write_request(tmp_path)
    run_in_turn([(example, {"status": "QUEUED"})], environment_of(ruled_intake.url, token_of), tmp_path)


def write_request(folder: Path) -> None:
    """Write request.json, as the page's first example does."""
    (written,) = re.findall(r"^cat >request.json <<'END'\n(.*?)^END$", PAGE, re.MULTILINE | re.DOTALL)
    (folder / "request.json").write_text(written)


def ask_once(environment: dict[str, str]) -> None:
    """Use up a quota of one request."""
    asked = httpx.post(
        f"{environment['OMS_INTAKE_URL']}/v1/document-requests",
        json=a_request(f"ONE-{uuid4().hex}"),
        headers={"Authorization": f"Bearer {environment['OMS_TOKEN']}"},
        trust_env=False,
    )
    assert asked.status_code == 202


def printed_by(program: str, folder: Path, environment: dict[str, str]) -> str:
    """What a Python example prints."""
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def shown_after(program: str) -> str:
    """The output that the page shows for a Python example."""
    (shown,) = [after.text for example, after in pairwise(EXAMPLES) if example.text == program]
    return shown


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
