"""What the start script writes for the place where it runs: whom nginx asks for the intake's address, and its limits.

Debian's nginx cannot (1.27.3 can), so what is read here is the configuration; the tests on containers move the intake.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.integration.gateway.conftest import GATEWAY


@pytest.mark.parametrize(
    ("resolver", "lines"),
    [
        ("", ["server intake:18080;"]),
        ("127.0.0.11", ["resolver 127.0.0.11 valid=5s ipv6=off;", "server intake:18080 resolve;"]),
    ],
)
def test_whom_nginx_asks(certificate: Path, tmp_path: Path, resolver: str, lines: list[str]) -> None:
    assert written(certificate, tmp_path, resolver, "resolver ", "server intake") == lines


def written(certificate: Path, folder: Path, resolver: str, *starts: str, shell: str = "") -> list[str]:
    """Those lines of the configuration that start so."""
    stand_in = folder / "bin" / "nginx"
    stand_in.parent.mkdir()
    stand_in.write_text("#!/bin/sh\n")
    stand_in.chmod(0o755)
    told = {
        "OMS_GATEWAY_CERTIFICATE": str(certificate),
        "OMS_GATEWAY_CERTIFICATE_KEY": str(certificate.with_suffix(".key")),
        "OMS_GATEWAY_DIR": str(folder / "run"),
        "OMS_GATEWAY_INTAKE": "intake:18080",
        "OMS_GATEWAY_RESOLVER": resolver,
        "PATH": f"{stand_in.parent}:{os.environ['PATH']}",
    }
    subprocess.run(["sh", "-euc", f"{shell}exec {GATEWAY}/start"], env=told, check=True, timeout=30)
    lines = [line.strip() for line in (folder / "run" / "nginx.conf").read_text().splitlines()]
    return [line for line in lines if line.startswith(starts)]


def test_nginx_asks_for_no_more_files_than_it_may_have(certificate: Path, tmp_path: Path) -> None:
    """Else it complains at each start, and has what it was given."""
    assert written(certificate, tmp_path, "", "worker_rlimit_nofile", shell="ulimit -n 1000; ") == [
        "worker_rlimit_nofile 1000;"
    ]
