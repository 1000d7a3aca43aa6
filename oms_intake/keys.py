"""The issuer's public keys, each good for one algorithm: the one its type asks for, whatever a token says."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeAlias

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from include.oms.intake.fetching import FetchError
from include.oms.intake.refusals import OutOfReach
from include.oms.intake.remembered import Remembered
from include.oms.words.problems import PROBLEMS

FRESH_SECONDS = 300.0
"""A key that the issuer withdraws is trusted for so long at most, while the issuer can be reached."""

STALE_SECONDS = 3600.0
"""And so long while it cannot: an issuer's outage of less than an hour is not ours."""

SHORTEST_RSA_BITS = 2048  # NIST SP 800-131A

PublicKey: TypeAlias = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey


class IdentityOutOfReach(OutOfReach):
    """The issuer's keys cannot be had."""

    problem = PROBLEMS["identity-unavailable"]


class Key(NamedTuple):
    """A public key, its name at the issuer, and the only algorithm it is used with."""

    key: PublicKey
    algorithm: str
    kid: str | None = None


class Keys(Protocol):
    """Where the issuer's keys come from."""

    def find(self, kid: str | None) -> list[Key]:
        """The keys a token with this ``kid`` may be signed with. Raises IdentityOutOfReach."""


class PemKeys:
    """One key, from a file."""

    def __init__(self, file: Path) -> None:
        """Raises ValueError, naming the file, where it holds no public key that can be used."""
        try:
            key = load_pem_public_key(file.read_bytes())
        except (OSError, ValueError, UnsupportedAlgorithm) as error:
            raise ValueError(f"OMS_JWT_PUBLIC_KEY_FILE {file}: no public key can be read from it") from error
        algorithm = algorithm_of(key)
        if not algorithm:
            raise ValueError(f"OMS_JWT_PUBLIC_KEY_FILE {file}: use an RSA (2048 bits), EC P-256 or Ed25519 key")
        self._keys = [Key(key, algorithm)]  # type: ignore[arg-type]  # algorithm_of has looked

    def find(self, kid: str | None) -> list[Key]:
        """The one key; it has no name."""
        return self._keys


class JwksKeys:
    """The keys that the issuer publishes, fetched again where a token names a new one."""

    def __init__(self, remembered: Remembered[list[Key]]) -> None:
        self._keys = remembered

    def find(self, kid: str | None) -> list[Key]:
        """Those of that name, all where the token names none. Raises IdentityOutOfReach."""
        age_seconds = self._keys.age_seconds()
        if age_seconds >= STALE_SECONDS and not self._keys.refresh():
            raise IdentityOutOfReach("the issuer's keys cannot be had at the moment")
        if FRESH_SECONDS <= age_seconds < STALE_SECONDS:
            self._keys.refresh_behind()
        return self._named(kid) or (self._named(kid) if self._keys.refresh() else [])

    def _named(self, kid: str | None) -> list[Key]:
        return [key for key in self._keys.value or [] if kid is None or key.kid == kid]


def parse_jwks(document: Any) -> list[Key]:
    """The usable keys of a JWK Set (RFC 7517); others are passed over. Raises FetchError where it is none."""
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise FetchError("answered something else than a JWK Set")
    return [key for jwk in document["keys"] if isinstance(jwk, dict) and (key := _key(jwk))]


def algorithm_of(key: object) -> str | None:
    """The one algorithm for a key of this type; None where it is not to be used."""
    match key:
        case RSAPublicKey(key_size=bits) if bits >= SHORTEST_RSA_BITS:
            return "RS256"
        case EllipticCurvePublicKey(curve=SECP256R1()):
            return "ES256"
        case Ed25519PublicKey():
            return "EdDSA"
    return None


def _key(jwk: dict[str, Any]) -> Key | None:
    try:
        key = jwt.PyJWK(jwk).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    algorithm = algorithm_of(key)
    if not algorithm or jwk.get("use", "sig") != "sig" or jwk.get("alg", algorithm) != algorithm:
        return None
    return Key(key, algorithm, jwk.get("kid"))
