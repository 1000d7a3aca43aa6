"""``make new-job``: a job, its test and what belongs to it, out of the examples that docs/add-a-job.md explains."""

from __future__ import annotations

import re
from pathlib import Path

from include.local.part import LocalError
from include.local.settings import ROOT

EXAMPLES = "docs/examples"
RUNBOOK = "docs/runbooks/red-tasks.md"
SYSTEMS = "include/oms/outside/systems.toml"
PYTEST = ".venv/bin/python -m pytest"


def new_job(name: str, *, simple: bool, root: Path = ROOT) -> list[str]:
    """Write the files of a new job and return the next three commands.

    Raises LocalError where the name cannot be one, or there is such a job already; then nothing is written.
    """
    if not re.fullmatch("[a-z][a-z_]{2,60}", name):
        raise LocalError(f"NAME={name} is no name for a job: use small letters and `_`, as in document_reminder")
    example, tests = ("nightly_count", "dags") if simple else ("document_reminder", "jobs")
    test = f"tests/integration/{tests}/test_{name}.py"
    files = {f"dags/{name}.py": f"{example}.py", test: f"test_{example}.py"}
    if there := [file for file in files if (root / file).exists()]:
        raise LocalError(f"{there[0]} is there already: choose another NAME, or remove it")
    for file, source in files.items():
        text = (root / EXAMPLES / source).read_text("utf-8")
        (root / file).write_text(text.replace(example, name).replace(example.upper(), name.upper()), "utf-8")
    if not simple:
        _add_rows(root / RUNBOOK, name)
        with (root / SYSTEMS).open("a", encoding="utf-8") as systems:
            systems.write(f'{name.upper()}_API = "what {name} calls"\n')
    return [f"{PYTEST} {test} tests/integration/dags/test_dags.py", "make up", f'make airflow ARGS="dags test {name}"']


def _add_rows(runbook: Path, name: str) -> None:
    """Two rows at the end of the table of red tasks."""
    lines = runbook.read_text("utf-8").splitlines(keepends=True)
    last = max(number for number, line in enumerate(lines) if line.startswith("|"))
    lines[last + 1 : last + 1] = [
        f"| {name}.claim_due | the OMS Database did not answer, or a Connection is missing | the log says which;"
        " the next run claims by itself |\n",
        f"| {name}.act | requests were refused; the log has each with its reason | correct the reason, then Clear |\n",
    ]
    runbook.write_text("".join(lines), "utf-8")
