"""The system of a chaos run: what its faults need is there, and else it is the system of `make up`."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import jwt
import pytest

from include.local.chaos.settings import chaos_settings
from include.local.chaos.system import ISSUER, ChaosSystem
from include.local.settings import LocalSettings
from include.local.system import System
from include.services.issuer.tokens import jwks

RELAY_PORT = 4711


@pytest.fixture
def system(tmp_path: Path) -> ChaosSystem:
    """Never started."""
    settings = chaos_settings(LocalSettings(var_dir=tmp_path), seed=1)
    return ChaosSystem(settings, SimpleNamespace(port=RELAY_PORT), print)  # type: ignore[arg-type]


def test_every_role_goes_by_the_relay_and_the_ledgers_do_not(system: ChaosSystem) -> None:
    addresses = system.addresses
    assert len(addresses.role_urls) >= 5
    assert all(url.endswith(f"@127.0.0.1:{RELAY_PORT}/oms") for url in addresses.role_urls.values())
    assert addresses.database_url.endswith(f"@127.0.0.1:{system.settings.postgres_port}/oms")
    by_part = {part.name: part.env.get("OMS_DATABASE_URL", "") for part in system.parts}
    assert all(str(RELAY_PORT) in by_part[name] for name in ("intake", "reference-data"))


def test_an_operator_can_write_the_connection_to_thunderhead(system: ChaosSystem) -> None:
    """Airflow looks at the environment first."""
    shared, of_make_up = system._shared_environment(), System(system.settings, print)._shared_environment()
    assert of_make_up.keys() - shared.keys() == {"AIRFLOW_CONN_THUNDERHEAD_API"}
    assert str(RELAY_PORT) in shared["AIRFLOW_CONN_OMS_DB"]


def test_tokens_are_the_issuers(system: ChaosSystem) -> None:
    (issuer,) = [part for part in system.parts if part.name == ISSUER]
    assert issuer.env["OMS_ISSUER_DATA_DIR"] == str(system.settings.var_dir / "keys")
    assert system.settings.jwt_jwks_url == f"http://127.0.0.1:{issuer.env['OMS_ISSUER_PORT']}/jwks"
    assert "OMS_JWT_PUBLIC_KEY_FILE" not in system._shared_environment()


def test_new_keys_are_other_keys(system: ChaosSystem) -> None:
    public = system.settings.var_dir / "keys" / "jwt-public.pem"
    before = jwks(public)["keys"][0]["kid"]
    assert {jwt.get_unverified_header(token)["kid"] for token in system.tokens.values()} == {before}
    system.take_new_keys()
    assert jwks(public)["keys"][0]["kid"] != before
