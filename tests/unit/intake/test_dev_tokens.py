"""The development identity: one key pair, kept private, and tokens that the intake takes."""

import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from include.oms.base.settings import Settings
from include.oms.identity.keys import PemKeys
from include.oms.identity.tokens import Identity, NotAuthenticated, Tokens
from include.services.issuer.tokens import ensure_key_pair, make_token

SAID = Settings(jwt_issuer="us", jwt_audience="intake")


def checker(public_file: Path) -> Tokens:
    return Tokens(PemKeys(public_file), issuer="us", audience="intake", leeway_seconds=1)


def test_a_token_that_the_intake_takes(tmp_path: Path) -> None:
    private_file, public_file = ensure_key_pair(tmp_path / "keys")
    token = make_token(private_file, source_system="CIBT", said=SAID)
    scopes = frozenset({"documents:read", "documents:write"})
    assert checker(public_file).identify(token) == Identity("developer", "CIBT", scopes)
    late = make_token(private_file, source_system="CIBT", lifetime=timedelta(seconds=-5), said=SAID)
    with pytest.raises(NotAuthenticated, match="expired"):
        checker(public_file).identify(late)


def test_the_private_key_is_its_owners_and_stays(tmp_path: Path) -> None:
    files = ensure_key_pair(tmp_path)
    before = [file.read_bytes() for file in files]
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600
    files[1].unlink()
    assert ensure_key_pair(tmp_path) == files
    assert [file.read_bytes() for file in files] == before


def test_many_at_once_get_the_same_pair(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: [file.read_bytes() for file in ensure_key_pair(tmp_path)], range(8)))
    assert all(pair == made[0] for pair in made)
    assert len(list(tmp_path.iterdir())) == 2
