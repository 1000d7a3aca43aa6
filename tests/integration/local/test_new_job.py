"""make new-job: what it writes passes its own tests and the house's, in a copy of the project."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from include.local.new_job import new_job
from include.local.part import LocalError
from include.oms.testing.postgres import ROOT

pytestmark = pytest.mark.integration
NAMES = {"dunning_letter": False, "weekly_report": True}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with two new jobs, one of each kind."""
    copy = tmp_path_factory.mktemp("copy") / "project"
    away = shutil.ignore_patterns(".git", ".venv", "var", "__pycache__", ".*_cache", "node_modules")
    shutil.copytree(ROOT, copy, ignore=away)
    for name, simple in NAMES.items():
        new_job(name, simple=simple, root=copy)
    return copy


def test_the_new_jobs_pass_their_tests_and_those_of_the_house(project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/integration/dags",
         "tests/integration/jobs/test_dunning_letter.py"],
        cwd=project, capture_output=True, text=True, timeout=300, check=False,
        env={name: value for name, value in os.environ.items() if not name.startswith(("OMS_TEST_DAGS", "PYTEST"))},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]


def test_a_job_of_the_kit_is_two_files_under_120_lines(project: Path) -> None:
    files = ["dags/dunning_letter.py", "tests/integration/jobs/test_dunning_letter.py"]
    lines = [len((project / file).read_text().splitlines()) for file in files]
    assert lines[0] <= 30
    assert sum(lines) < 120


@pytest.mark.parametrize("name", ["", "Reminder", "reminder2", "a-b", "../x"])
def test_a_name_that_cannot_be_one_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(LocalError, match="is no name for a job"):
        new_job(name, simple=False, root=tmp_path)


def test_a_job_that_is_there_is_not_overwritten(project: Path) -> None:
    before = (project / "dags/dunning_letter.py").read_text()
    with pytest.raises(LocalError, match="is there already"):
        new_job("dunning_letter", simple=True, root=project)
    assert (project / "dags/dunning_letter.py").read_text() == before
