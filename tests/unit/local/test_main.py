"""The command line: what it prints, and how it says no."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest

from include.local import settings
from include.local.__main__ import main
from include.oms.testing.kafka import free_port


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("OMS_VAR_DIR", str(tmp_path))
    monkeypatch.setenv("OMS_AIRFLOW_PORT", str(free_port()))
    monkeypatch.setattr("signal.signal", lambda *_: None)
    settings.local_settings.cache_clear()
    yield
    settings.local_settings.cache_clear()


def test_a_token_is_all_that_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token"]) == 0
    claims = jwt.decode(capsys.readouterr().out.strip(), options={"verify_signature": False})
    assert claims["source_system"] == "CIBT"
    assert claims["scope"].split() == ["documents:read", "documents:write"]
    assert claims["exp"] - claims["iat"] == 12 * 3600


def test_a_wrong_setting_is_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMS_KAFKA_PORT", "99999")
    assert main(["up"]) == 1
    assert "OMS_KAFKA_PORT: Input should be less than 65536" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["pause", "resume", "status"])
def test_what_needs_a_running_system_says_that_there_is_none(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command]) == 1
    assert "up" in capsys.readouterr().err
