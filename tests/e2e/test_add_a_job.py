"""docs/add-a-job.md, from nothing to cleared: its commands in a copy of the project, then the clicks in Airflow."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from include.local.airflow_api import why_unread
from include.local.settings import ROOT
from include.oms.testing.folders import memory_folder
from include.oms.testing.kafka import free_port
from tests.e2e.conftest import PARTS, wait_for
from tests.integration.clients.markdown import examples, page

COMMANDS = [example.text for example in examples(page("add-a-job.md")) if example.language == "sh"]
AWAY = shutil.ignore_patterns(".git", ".venv", "var", "__pycache__", ".*_cache", "node_modules")


class Reader:
    """A data engineer with the page, a copy of the project and three terminals."""

    def __init__(self, project: Path) -> None:
        self.project, self.port, self.terminals = project, free_port(), list[subprocess.Popen[bytes]]()
        own = {f"OMS_{part.upper()}_PORT": str(free_port()) for part in PARTS}
        kept = {name: it for name, it in os.environ.items() if not name.startswith(("OMS_", "AIRFLOW", "PYTEST"))}
        self.environment = {**kept, **own, "OMS_START_TIMEOUT_SECONDS": "400"}

    def follow(self) -> None:
        """Type every command of the page."""
        for text in COMMANDS:
            command = text.replace("18099", str(self.port))
            if command == "make up\n":
                self._stay(command)
                wait_for(lambda: f"it is up: {self.said(0)}", self._is_up, 400)
            elif "stand_in" in command:
                self._stay(command)
                wait_for(lambda: "the outside system answers", lambda: answers(self.port) or None)
            else:
                done = subprocess.run(
                    ["bash", "-euo", "pipefail", "-c", command], cwd=self.project, env=self.environment,
                    capture_output=True, text=True, timeout=900, check=False,
                )  # fmt: skip
                assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"

    def leave(self) -> None:
        """Press Ctrl-C in each terminal."""
        for terminal in self.terminals:
            os.killpg(terminal.pid, signal.SIGINT)
        for terminal in self.terminals:
            terminal.wait(120)

    def said(self, terminal: int) -> str:
        """What a terminal shows."""
        return (self.project / f"terminal-{terminal}").read_text("utf-8")

    def login(self) -> httpx.Client:
        """Airflow, as the user that `make up` prints."""
        found = dict(
            line.removeprefix("export ").split("=", 1)
            for line in (self.project / "var/local.env").read_text().splitlines()
            if line.startswith("export ")
        )
        url, user, password = (found[f"AIRFLOW_{name}"].strip("'\"") for name in ("URL", "USER", "PASSWORD"))
        token = httpx.post(f"{url}/auth/token", json={"username": user, "password": password}).json()["access_token"]
        return httpx.Client(base_url=f"{url}/api/v2", headers={"Authorization": f"Bearer {token}"}, timeout=20)

    def _stay(self, command: str) -> None:
        with (self.project / f"terminal-{len(self.terminals)}").open("wb") as log:
            self.terminals.append(
                subprocess.Popen(
                    ["bash", "-c", f"exec {command}"], cwd=self.project, env=self.environment,
                    stdout=log, stderr=log, start_new_session=True,
                )
            )  # fmt: skip

    def _is_up(self) -> bool | None:
        assert self.terminals[0].poll() is None, self.said(0)
        return (self.project / "var/local.env").exists() or None


def answers(port: int) -> bool:
    """Whether something listens there."""
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


class Run:
    """One run of a DAG, in Airflow's UI."""

    def __init__(self, airflow: httpx.Client, dag_id: str, **conf: Any) -> None:
        self.airflow, self.dag_id = airflow, dag_id
        answer = airflow.post(f"/dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": conf})
        assert answer.status_code == 200, answer.text
        self.run_id = answer.json()["dag_run_id"]
        self.path = f"/dags/{dag_id}/dagRuns/{self.run_id}"

    def is_red(self, task_id: str) -> str:
        """The log of the task, once it has failed."""
        failed = self._wait(task_id, "failed", tries=1)
        log = self.airflow.get(
            f"{self.path}/taskInstances/{task_id}/logs/{failed['try_number']}",
            params={"map_index": failed["map_index"], "full_content": True}, headers={"Accept": "application/json"},
        )  # fmt: skip
        return log.text

    def is_green(self, task_id: str, *, tries: int) -> None:
        """Wait until the task has succeeded, at this try."""
        self._wait(task_id, "success", tries=tries)

    def clear(self, task_id: str) -> None:
        """Press Clear, once the run has its colour: before that, the scheduler may end the run that was cleared."""
        wait_for(lambda: f"{self.run_id} has ended", self._has_ended, 200)
        answer = self.airflow.post(
            f"/dags/{self.dag_id}/clearTaskInstances",
            json={
                "dry_run": False, "dag_run_id": self.run_id, "task_ids": [task_id], "include_downstream": True,
                "only_failed": False, "reset_dag_runs": True,
            },
        )  # fmt: skip
        assert answer.status_code == 200, answer.text

    def _has_ended(self) -> bool | None:
        return self.airflow.get(self.path).json()["state"] in ("success", "failed") or None

    def _wait(self, task_id: str, state: str, *, tries: int) -> dict[str, Any]:
        seen: list[dict[str, Any]] = []

        def look() -> dict[str, Any] | None:
            seen[:] = self.airflow.get(f"{self.path}/taskInstances").json()["task_instances"]
            its = [it for it in seen if it["task_id"] == task_id]
            return next((it for it in its if it["state"] == state and it["try_number"] >= tries), None)

        return wait_for(lambda: f"{task_id} is {state}; {[(it['task_id'], it['state']) for it in seen]}", look, 200)


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    """After the last command. Not below pytest's folder, which its runs close to other users: PostgreSQL is one."""
    with tempfile.TemporaryDirectory(prefix="oms-page-", dir=memory_folder(), ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        project = Path(folder, "project")
        shutil.copytree(ROOT, project, ignore=AWAY)
        (project / ".venv").symlink_to(ROOT / ".venv")
        for file in project.glob("requirements*.txt"):
            os.utime(file, (0, 0))  # they are installed
        it = Reader(project)
        try:
            it.follow()
            yield it
        finally:
            it.leave()


def test_each_way_leads_from_nothing_to_cleared(reader: Reader) -> None:
    with reader.login() as airflow:
        simple = Run(airflow, "weekly_report")
        simple.is_green("count_documents", tries=1)
        simple.clear("count_documents")
        simple.is_green("count_documents", tries=2)

        house = Run(airflow, "dunning_letter", days=0)
        told = house.is_red("claim_due")
        assert "Airflow has no Connection dunning_letter_api: add it under Admin, Connections (type HTTP)" in told
        connection = {"connection_id": "dunning_letter_api", "conn_type": "http", "host": "http://127.0.0.1"}
        answer = airflow.post("/connections", json={**connection, "port": reader.port})
        assert answer.status_code == 201, answer.text
        house.clear("claim_due")
        assert "422" in house.is_red("act")
        for tries in (2, 3):
            house.clear("act")
            house.is_green("act", tries=tries)
    assert reader.said(1).count("POST /reminders") == 2, "one refused, one taken, none at the second clear"


KIT = """from include.jobs.kit import item_job

item_job("{name}", doc=__doc__, schedule=None, system="{system}", connection="x", due="SELECT request_id FROM x",
         act=print, look_up=None)
"""
MISTAKES = {
    "broken": ("def act(:\n", "broken.py, line 1 cannot be read: SyntaxError: invalid syntax"),
    "without_doc": (
        KIT.format(name="without_doc", system="THUNDERHEAD"),
        "ValueError: without_doc has no doc: write a docstring at the top of its file, with `Red:` and `Clear:` in it",
    ),
    "unknown_system": (
        '"""Red: Clear:"""\n' + KIT.format(name="unknown_system", system="POST_OFFICE"),
        "ValueError: POST_OFFICE is no outside system: add the line",
    ),
}


def test_a_mistake_is_one_line_of_airflows_import_errors(reader: Reader) -> None:
    for name, (text, _) in MISTAKES.items():
        (reader.project / f"dags/{name}.py").write_text(text)
    with reader.login() as airflow:

        def told() -> str | None:
            errors = airflow.get("/importErrors").json()["import_errors"]
            lines = "\n".join(why_unread(it["filename"], it["stack_trace"]) for it in errors)
            return lines if len(errors) == len(MISTAKES) else None

        lines = wait_for(lambda: "Airflow has read the files", told)
    assert [line for _, line in MISTAKES.values() if line not in lines] == [], lines
