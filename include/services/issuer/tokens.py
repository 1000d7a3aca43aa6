"""An identity for development: a key pair, and tokens signed with it.

``python -m include.services.issuer.tokens`` prints a token with both scopes, good for 12 hours.
In production your own issuer does this (OMS_JWT_JWKS_URL), and nothing here is used.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import threading
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from jwt.algorithms import OKPAlgorithm
from jwt.utils import base64url_encode

from include.oms.base.settings import Settings, settings
from include.services.issuer.settings import IssuerSettings

SCOPES = ("documents:read", "documents:write")
LIFETIME = timedelta(hours=12)


def ensure_key_pair(directory: Path) -> tuple[Path, Path]:
    """The files of the private and the public key (PEM, Ed25519), made where there are none. Survives two at once."""
    private_file, public_file = directory / "jwt-private.pem", directory / "jwt-public.pem"
    if not private_file.exists():
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write_once(private_file, Ed25519PrivateKey.generate())
    private_key = load_pem_private_key(private_file.read_bytes(), password=None)
    public_key = private_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    if not public_file.exists() or public_file.read_bytes() != public_key:
        _draft(public_file, public_key, 0o644).replace(public_file)
    return private_file, public_file


def make_token(
    private_key_file: Path,
    *,
    source_system: str,
    scopes: Iterable[str] = SCOPES,
    subject: str = "developer",
    lifetime: timedelta = LIFETIME,
    said: Settings | None = None,
) -> str:
    """A signed JWT with the issuer and the audience of the settings."""
    said = said or settings()
    now = datetime.now(UTC)
    claims = {
        "iss": said.jwt_issuer,
        "aud": said.jwt_audience,
        "sub": subject,
        "source_system": source_system,
        "scope": " ".join(scopes),
        "iat": now,
        "exp": now + lifetime,
    }
    private_key = load_pem_private_key(private_key_file.read_bytes(), password=None)
    assert isinstance(private_key, Ed25519PrivateKey)
    named = {"kid": _jwk(private_key.public_key())["kid"]}
    return jwt.encode(claims, private_key, algorithm="EdDSA", headers=named)


def jwks(public_key_file: Path) -> dict[str, Any]:
    """The key as a JWK Set (RFC 7517), as an issuer publishes it."""
    public_key = load_pem_public_key(public_key_file.read_bytes())
    assert isinstance(public_key, Ed25519PublicKey)
    return {"keys": [_jwk(public_key)]}


def _jwk(public_key: Ed25519PublicKey) -> dict[str, Any]:
    """Named by its thumbprint (RFC 7638), so that a client that caches keys notices a new one."""
    jwk = OKPAlgorithm.to_jwk(public_key, as_dict=True)
    members = json.dumps({name: jwk[name] for name in ("crv", "kty", "x")}, separators=(",", ":"))
    kid = base64url_encode(hashlib.sha256(members.encode()).digest()).decode()
    return {"kty": jwk["kty"], "crv": jwk["crv"], "x": jwk["x"], "use": "sig", "alg": "EdDSA", "kid": kid}


def _write_once(file: Path, key: Ed25519PrivateKey) -> None:
    """Write it whole or not at all, readable by its owner only. The first writer wins."""
    draft = _draft(file, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)
    try:
        os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _draft(file: Path, content: bytes, mode: int) -> Path:
    """A file beside it, of this call's own."""
    draft = file.with_name(f".{file.name}.{os.getpid()}.{threading.get_ident()}")
    draft.touch(mode=mode)
    draft.write_bytes(content)
    return draft


def add_token_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say whose token it is; their names are those of ``make_token``."""
    parser.add_argument("--source-system", default="CIBT", help="whose client it is (default: %(default)s)")
    parser.add_argument("--subject", default="developer", help="its name, sub (default: %(default)s)")
    parser.add_argument("--scopes", nargs="+", default=SCOPES, help="what it may do (default: all but runs:release)")


def main() -> None:
    """Print a token of this issuer."""
    parser = argparse.ArgumentParser(prog="python -m include.services.issuer.tokens", description=main.__doc__)
    add_token_arguments(parser)
    said, options = IssuerSettings(), parser.parse_args()
    private_file, _ = ensure_key_pair(said.issuer_data_dir)
    print(make_token(private_file, **vars(options), said=said))


if __name__ == "__main__":
    main()
