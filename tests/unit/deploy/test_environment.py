"""`make env` and `make check-env`: .env is filled, never changed, and what it lacks is named."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from include.deploy import environment
from include.local.settings import ROOT
from tests.e2e.topology.compose import resolved
from tests.unit.deploy.conftest import DOCUMENTED, MUST_BE_SET


def test_what_is_made_is_enough_for_compose(tmp_path: Path) -> None:
    environment.fill(tmp_path, with_simulator=True)
    assert environment.missing(tmp_path) == []
    said = environment.values((tmp_path / ".env").read_text())
    assert all(said[name] for name in MUST_BE_SET)
    assert said["COMPOSE_FILE"] == "docker-compose.airflow.yml"
    services = resolved(said, tmp_path)["services"]
    assert services["thunderhead"]["environment"]["OMS_THUNDERHEAD_TOKEN"] in said["AIRFLOW_CONN_THUNDERHEAD_API"]


def test_nothing_that_is_set_is_changed(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("POSTGRES_PASSWORD=mine\nOMS_JWT_ISSUER='https://mine.example'\n#REDIS_PASSWORD=\n")
    environment.fill(tmp_path, with_simulator=True)
    first = (tmp_path / ".env").read_text()
    said = environment.values(first)
    assert (said["POSTGRES_PASSWORD"], said["OMS_JWT_ISSUER"]) == ("mine", "https://mine.example")
    assert environment.fill(tmp_path, with_simulator=True) == []
    assert (tmp_path / ".env").read_text() == first


def test_no_two_secrets_are_the_same_and_nobody_else_reads_them(tmp_path: Path) -> None:
    environment.fill(tmp_path, with_simulator=False)
    said = environment.values((tmp_path / ".env").read_text())
    made = [said[name] for name in environment.SECRETS]
    assert len(set(made)) == len(made)
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600


def test_what_is_missing_is_named_with_what_it_is_for(tmp_path: Path) -> None:
    assert environment.missing(tmp_path) == ["there is no .env: make env"]
    environment.fill(tmp_path, with_simulator=False)
    told = {line.split()[0].rstrip(":"): line for line in environment.missing(tmp_path)}
    assert told.keys() == set(MUST_BE_SET) - environment.SECRETS.keys()
    assert "a token must carry" in told["OMS_JWT_ISSUER"]


@pytest.mark.parametrize(("profile", "name"), environment.OF_PROFILES.items())
def test_a_profile_needs_its_own(tmp_path: Path, profile: str, name: str) -> None:
    environment.fill(tmp_path, with_simulator=True)
    file = tmp_path / ".env"
    lines = [line for line in file.read_text().splitlines() if not line.startswith((f"{name}=", "COMPOSE_PROFILES="))]
    file.write_text("\n".join([*lines, f"COMPOSE_PROFILES={profile}"]))
    [fault] = environment.missing(tmp_path)
    assert fault.startswith(f"{name} is not set")


def test_a_certificate_that_is_not_there_is_told(tmp_path: Path) -> None:
    environment.fill(tmp_path, with_simulator=True)
    (tmp_path / environment.CERTIFICATES / "gateway.key").unlink()
    [fault] = environment.missing(tmp_path)
    assert fault.startswith("OMS_GATEWAY_CERTIFICATE_KEY: there is no file")


def test_the_gateways_user_can_read_the_key_and_others_on_this_machine_cannot(tmp_path: Path) -> None:
    environment.fill(tmp_path, with_simulator=True)
    folder = tmp_path / environment.CERTIFICATES
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o644}


def test_every_secret_that_is_made_is_documented() -> None:
    assert environment.SECRETS.keys() <= DOCUMENTED.keys()
    assert (ROOT / ".env.example").exists()
