"""schemathesis, all its checks, against the contract as it is served."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from include.oms.testing.postgres import ROOT
from tests.integration.intake.conftest import ServedIntake

EXAMPLES = 30  # for each operation: some 1,000 cases in 10 s


def test_no_check_fails(serve: Callable[..., ServedIntake], token: Callable[..., str], tmp_path: Path) -> None:
    served = serve(intake_workers=2)
    run = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"), "run", f"{served.url}/openapi.json",
            "--header", f"Authorization: Bearer {token()}", "--checks", "all", "--max-examples", str(EXAMPLES),
            "--continue-on-failure", "--no-color",
        ],
        cwd=tmp_path, capture_output=True, text=True, timeout=300,
        env=os.environ | {"PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": "tests.integration.intake.schemathesis_hooks"},
    )  # fmt: skip
    assert run.returncode == 0, run.stdout
    print(next(line for line in run.stdout.splitlines() if "generated" in line))
    assert not [line for line in served.lines() if line["level"] == "error"]
