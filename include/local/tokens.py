"""An identity for development: a key pair of this machine's own, and tokens signed with it.

``python -m include.local.tokens`` prints a token of source system CIBT with both scopes, good for 12 hours.
In a deployment an issuer does this (OMS_JWT_JWKS_URL), and nothing here is used.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from include.oms.base.settings import Settings, settings

KEYS = Path("var/keys")
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
    return jwt.encode(claims, private_key_file.read_bytes(), algorithm="EdDSA")


def _write_once(file: Path, key: Ed25519PrivateKey) -> None:
    """Write it whole or not at all, readable by its owner only; whoever came first wins."""
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


if __name__ == "__main__":
    print(make_token(ensure_key_pair(KEYS)[0], source_system="CIBT"))
