"""The issuer's public keys. Each key is used with one algorithm, the one for its type, whatever a token says."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeAlias

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from include.oms.base.cached_document import CachedDocument
from include.oms.base.fetching import FetchError
from include.oms.words.problems import PROBLEMS
from include.oms.words.refusals import ComeAgain

FRESH_SECONDS = 300.0
"""A key that the issuer withdraws is trusted for so long at most, while the issuer can be reached."""

STALE_SECONDS = 3600.0
"""And so long while it cannot: an issuer's outage of less than an hour is not ours."""

RECENT_SECONDS = 1.5
"""An answer of the issuer no older than this tells that a key is unknown to it. While tokens with unknown keys flood
in, the issuer is asked once a second."""

SHORTEST_RSA_BITS = 2048  # NIST SP 800-131A
LONGEST_RSA_BITS = 8192  # beyond this, checking a signature costs milliseconds
MOST_KEYS = 100  # of one key set; the others are passed over

PublicKey: TypeAlias = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey


class IdentityOutOfReach(ComeAgain):
    """The issuer's keys cannot be fetched."""

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

    def find_newer(self, kid: str | None, tried: Collection[Key]) -> list[Key]:
        """Keys of that name that have replaced those that were tried. Raises nothing."""

    def prefetch(self) -> None:
        """Get the keys in the background, before the first call needs them."""


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
        self._keys = [Key(key, algorithm)]  # type: ignore[arg-type]  # algorithm_of has checked the type

    def find(self, kid: str | None) -> list[Key]:
        """The one key, whatever name the token has for it."""
        return self._keys

    def find_newer(self, kid: str | None, tried: Collection[Key]) -> list[Key]:
        """None: a file is read once."""
        return []

    def prefetch(self) -> None:
        """Nothing to do: the key is there."""


class JwksKeys:
    """The key set that the issuer publishes. It is fetched again when a token needs a key that is not in it."""

    def __init__(self, key_set: CachedDocument[list[Key]]) -> None:
        self._key_set = key_set

    def find(self, kid: str | None) -> list[Key]:
        """The keys of that name, all where the token names none. Raises IdentityOutOfReach.

        Raises it, too, where the key is unknown and the issuer cannot be asked: the key may be a new one.
        """
        age_seconds = self._key_set.age_seconds()
        if age_seconds >= STALE_SECONDS and not self._key_set.refresh():
            raise IdentityOutOfReach("the issuer's keys cannot be fetched at the moment")
        if FRESH_SECONDS <= age_seconds < STALE_SECONDS:
            self._key_set.refresh_behind()
        if found := self._named(kid):
            return found
        if not self._key_set.refresh(patience_seconds=0) and self._key_set.age_seconds() > RECENT_SECONDS:
            raise IdentityOutOfReach("the token names a new key, and the issuer's keys cannot be fetched at the moment")
        return self._named(kid)

    def find_newer(self, kid: str | None, tried: Collection[Key]) -> list[Key]:
        """Keys that the issuer now publishes under the same name, or under none: some issuers rotate that way."""
        self._key_set.refresh(patience_seconds=0)
        return [key for key in self._named(kid) if all(key.key != old.key for old in tried)]

    def prefetch(self) -> None:
        """Fetch the key set in the background."""
        self._key_set.refresh_behind()

    def _named(self, kid: str | None) -> list[Key]:
        return [key for key in self._key_set.value or [] if kid is None or key.kid == kid]


def parse_jwks(document: Any) -> list[Key]:
    """The usable keys of a JWK Set (RFC 7517); others are passed over.

    Raises FetchError where it is no key set or holds no usable key: the keys that were good before are then kept.
    """
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise FetchError("answered something else than a JWK Set")
    keys = [key for jwk in document["keys"][:MOST_KEYS] if isinstance(jwk, dict) and (key := _key(jwk))]
    if not keys:
        raise FetchError("answered a JWK Set without a key that can be used")
    return keys


def algorithm_of(key: object) -> str | None:
    """The one algorithm for a key of this type; None where it is not to be used."""
    match key:
        case RSAPublicKey(key_size=bits) if SHORTEST_RSA_BITS <= bits <= LONGEST_RSA_BITS:
            return "RS256"
        case EllipticCurvePublicKey(curve=SECP256R1()):
            return "ES256"
        case Ed25519PublicKey():
            return "EdDSA"
    return None


def _key(jwk: dict[str, Any]) -> Key | None:
    """The key of one JWK; None where it is not for us, or where no key can be made of it."""
    operations = jwk.get("key_ops", ["verify"])
    if jwk.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return None
    try:
        key = jwt.PyJWK(jwk).key
    except Exception:  # noqa: BLE001  # a foreign document: whatever is wrong with one key, the others are good
        return None
    algorithm = algorithm_of(key)
    if not algorithm or jwk.get("alg", algorithm) != algorithm:
        return None
    kid = jwk.get("kid")
    return Key(key, algorithm, kid if isinstance(kid, str) else None)
