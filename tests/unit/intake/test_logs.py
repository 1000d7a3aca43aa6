"""The log tells what it can, and never stands in a call's way."""

import os

import pytest

from oms_intake.logs import StandardOutput


def test_a_line_is_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    monkeypatch.setattr(os, "write", lambda fd, data: written.append((fd, data)))
    StandardOutput().info(b"{}")
    assert written == [(1, b"{}\n")]


@pytest.mark.parametrize("error", [BrokenPipeError, OSError])
def test_a_log_that_nobody_reads(monkeypatch: pytest.MonkeyPatch, error: type[OSError]) -> None:
    def fail(fd: int, data: bytes) -> int:
        raise error

    monkeypatch.setattr(os, "write", fail)
    StandardOutput().error(b"{}")
