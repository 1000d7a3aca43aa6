"""The intake's address may change: the start script has nginx ask for it again, where it is told whom to ask.

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
    stand_in = tmp_path / "bin" / "nginx"
    stand_in.parent.mkdir()
    stand_in.write_text("#!/bin/sh\n")
    stand_in.chmod(0o755)
    told = {
        "OMS_GATEWAY_CERTIFICATE": str(certificate),
        "OMS_GATEWAY_CERTIFICATE_KEY": str(certificate.with_suffix(".key")),
        "OMS_GATEWAY_DIR": str(tmp_path / "run"),
        "OMS_GATEWAY_INTAKE": "intake:18080",
        "OMS_GATEWAY_RESOLVER": resolver,
        "PATH": f"{stand_in.parent}:{os.environ['PATH']}",
    }
    subprocess.run([GATEWAY / "start"], env=told, check=True, timeout=30)
    written = [line.strip() for line in (tmp_path / "run" / "nginx.conf").read_text().splitlines()]
    found = [line for line in written if line.startswith(("resolver ", "server intake"))]
    assert found == lines
