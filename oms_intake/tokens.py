"""Whom a token speaks for: a JWT, asymmetrically signed by our issuer, for us, in force."""

from __future__ import annotations

import time
from dataclasses import dataclass
from threading import Lock
from typing import Any

import jwt
from cachetools import LRUCache

from include.oms.intake.refusals import Refusal
from include.oms.words.names import name_fault
from include.oms.words.problems import PROBLEMS
from oms_intake.keys import Key, Keys

REMEMBERED_SECONDS = 60.0
"""A checked token is not checked again for so long: the check costs as much as the rest of the call's Python. A key
that is withdrawn counts for so much longer at most."""

REMEMBERED_TOKENS = 4096
LONGEST_NAME = 255

_REASONS: tuple[tuple[type[jwt.PyJWTError], str], ...] = (
    (jwt.ExpiredSignatureError, "the token has expired"),
    (jwt.ImmatureSignatureError, "the token is not yet in force"),
    (jwt.InvalidAudienceError, "the token is for another audience"),
    (jwt.InvalidIssuerError, "the token is from another issuer"),
    (jwt.MissingRequiredClaimError, "the token lacks one of the claims exp, iss, aud and sub"),
    (jwt.InvalidSignatureError, "the token's signature is wrong"),
    (jwt.PyJWTError, "the token cannot be read"),
)


class NotAuthenticated(Refusal):
    """No token, or a bad one."""

    problem = PROBLEMS["not-authenticated"]


class InsufficientScope(Refusal):
    """The token lacks the scope."""

    problem = PROBLEMS["insufficient-scope"]

    def __init__(self, scope: str) -> None:
        super().__init__(f"the token lacks the scope {scope}")
        self.scope = scope


@dataclass(frozen=True)
class Identity:
    """What a token says of its bearer."""

    subject: str
    source_system: str | None
    scopes: frozenset[str]


class Tokens:
    """Checks tokens, and remembers those that were good for a while."""

    def __init__(self, keys: Keys, *, issuer: str, audience: str, leeway_seconds: float) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._leeway_seconds = leeway_seconds
        self._good: LRUCache[str, tuple[Identity, float]] = LRUCache(REMEMBERED_TOKENS)
        self._lock = Lock()

    def identify(self, token: str) -> Identity:
        """Raises NotAuthenticated, saying why, and IdentityOutOfReach where the keys cannot be had."""
        with self._lock:
            identity, good_until = self._good.get(token, (None, 0.0))
        if identity and time.time() < good_until:
            return identity
        claims = self._claims(token)
        identity = _identity(claims)
        with self._lock:
            good_until = min(time.time() + REMEMBERED_SECONDS, claims["exp"] + self._leeway_seconds)
            self._good[token] = (identity, good_until)
        return identity

    def _claims(self, token: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
            key = self._key(header.get("kid"), header.get("alg"))
            return jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm],
                issuer=self._issuer,
                audience=self._audience,
                leeway=self._leeway_seconds,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            reason = next((text for kind, text in _REASONS if isinstance(error, kind)), _REASONS[-1][1])
            raise NotAuthenticated(reason) from error

    def _key(self, kid: str | None, algorithm: str | None) -> Key:
        """The only key that fits. A token without a name for its key must leave no choice."""
        keys = [key for key in self._keys.find(kid) if key.algorithm == algorithm]
        if len(keys) != 1:
            raise NotAuthenticated("the token is signed with a key or an algorithm that is not accepted")
        return keys[0]


def _identity(claims: dict[str, Any]) -> Identity:
    subject, source_system, scope = claims["sub"], claims.get("source_system"), claims.get("scope", "")
    if not _is_name(subject):
        raise NotAuthenticated("the token's sub is no name")
    return Identity(
        subject=subject,
        source_system=source_system if _is_name(source_system) else None,
        scopes=frozenset(scope.split() if isinstance(scope, str) else ()),
    )


def _is_name(value: object) -> bool:
    """Whether it can be stored and shown: a name by our rule, neither empty nor longer than ``LONGEST_NAME``."""
    return isinstance(value, str) and 0 < len(value) <= LONGEST_NAME and name_fault(value) is None
