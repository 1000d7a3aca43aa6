"""An upgrade migrates first and then changes the code, so the last release's code must run on today's schema.

Proven by that release itself: its own tests of its own code, on a database that today's migrations have made.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from include.oms.testing.postgres import ROOT

COMMIT = (ROOT / "include/migrations/last_release").read_text("utf-8").split()[0]
# Each statement of the jobs, the console and the intake's reads and writes is in one of them.
FLOWS = (
    "tests/integration/jobs/test_a_requests_life.py",
    "tests/integration/jobs/test_retrigger.py",
    "tests/integration/jobs/test_overdue.py",
    "tests/integration/jobs/test_reconciliation.py",
    "tests/integration/jobs/test_housekeeping.py",
    "tests/integration/console/test_looking.py",
    "tests/integration/console/test_acting.py",
    "tests/integration/intake/test_idempotency.py",
    "tests/integration/intake/test_finding.py",
)


@pytest.fixture
def last_release(tmp_path: Path) -> Path:
    """The last release's files, with the steps of today's migrations instead of its own."""
    archive = subprocess.run(["git", "archive", "--format=tar", COMMIT], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        pytest.skip(f"the last release, {COMMIT[:9]}, is not in this clone: git fetch --unshallow")
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as files:
        files.extractall(tmp_path, filter="data")
    # env.py stays the release's own: it imports the release's modules, which may have moved since.
    shutil.rmtree(tmp_path / "include/migrations/versions")
    shutil.copytree(ROOT / "include/migrations/versions", tmp_path / "include/migrations/versions")
    return tmp_path


def test_the_last_release_runs_on_todays_schema(last_release: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *FLOWS],
        cwd=last_release,
        env={name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "OMS_"))},
        capture_output=True, text=True, timeout=570, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
