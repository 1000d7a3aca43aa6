"""Who a token speaks for: a JWT, asymmetrically signed by the configured issuer, for the configured audience, in force.

The answer is the true one: NotAuthenticated is the client's fault, IdentityOutOfReach ours or the issuer's.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import jwt
from cachetools import LRUCache

from include.oms.identity.keys import Key, Keys
from include.oms.words.names import name_fault
from include.oms.words.problems import PROBLEMS
from include.oms.words.refusals import Refusal

GOOD_SECONDS = 60.0
"""A checked token is not checked again for so long: the check costs as much as the rest of the call's Python. A key
that is withdrawn counts for so much longer at most."""

CACHED_TOKENS, LONGEST_CACHED_TOKEN = 4096, 4096  # characters; 16 MiB a process at most
LONGEST_NAME = 255
LATEST_INSTANT = 253_402_300_800  # seconds: the year 10000

_UNREADABLE = "the token cannot be read"
_REASONS: tuple[tuple[type[jwt.PyJWTError], str], ...] = (
    (jwt.ExpiredSignatureError, "the token has expired"),
    (jwt.ImmatureSignatureError, "the token is not yet in force"),
    (jwt.InvalidAudienceError, "the token is for another audience"),
    (jwt.InvalidIssuerError, "the token is from another issuer"),
    (jwt.MissingRequiredClaimError, "the token lacks one of the claims exp, iss, aud and sub"),
    (jwt.InvalidSignatureError, "the token's signature is wrong"),
)


class NotAuthenticated(Refusal):
    """The call has no token, or a bad one."""

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

    def require(self, scope: str) -> None:
        """Raises InsufficientScope where the token lacks the scope."""
        if scope not in self.scopes:
            raise InsufficientScope(scope)


class Tokens:
    """Checks tokens, and caches those that were good for ``GOOD_SECONDS``."""

    def __init__(self, keys: Keys, *, issuer: str, audience: str, leeway_seconds: float) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._leeway_seconds = leeway_seconds
        self._good: LRUCache[str, tuple[Identity, float]] = LRUCache(CACHED_TOKENS)
        self._lock = Lock()

    def prefetch(self) -> None:
        """Get the keys in the background, before the first call needs them."""
        self._keys.prefetch()

    def bearer(self, authorization: str) -> Identity:
        """Who the value of an ``Authorization`` header speaks for. Raises NotAuthenticated and IdentityOutOfReach."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise NotAuthenticated("the call carries no bearer token")
        return self.identify(token.strip())

    def identify(self, token: str) -> Identity:
        """Who a token speaks for. Raises NotAuthenticated, saying why, and IdentityOutOfReach without keys."""
        with self._lock:
            identity, good_until = self._good.get(token, (None, 0.0))
        if identity and time.time() < good_until:
            return identity
        claims = self._claims(token)
        identity = _identity(claims)
        if len(token) <= LONGEST_CACHED_TOKEN:
            good_until = min(time.time() + GOOD_SECONDS, claims["exp"] + self._leeway_seconds)
            with self._lock:
                self._good[token] = (identity, good_until)
        return identity

    def _claims(self, token: str) -> dict[str, Any]:
        """The claims of a token that is good. Raises NotAuthenticated and IdentityOutOfReach."""
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise NotAuthenticated(_UNREADABLE) from error
        kid, algorithm = header.get("kid"), header.get("alg")
        keys = _fitting(self._keys.find(kid), algorithm)
        if not keys or (kid is None and len(keys) > 1):  # without a name for its key, a token must leave no choice
            raise NotAuthenticated("the token is signed with a key or an algorithm that is not accepted")
        try:
            return self._verified(token, keys)
        except jwt.InvalidSignatureError as error:
            newer = _fitting(self._keys.find_newer(kid, keys), algorithm)
            if not newer:
                raise NotAuthenticated(_reason(error)) from error
        except _BAD_TOKEN as error:
            raise NotAuthenticated(_reason(error)) from error
        try:
            return self._verified(token, newer)
        except _BAD_TOKEN as error:
            raise NotAuthenticated(_reason(error)) from error

    def _verified(self, token: str, keys: Sequence[Key]) -> dict[str, Any]:
        """The claims by the first of these keys that fits. Raises jwt.PyJWTError and others of ``_BAD_TOKEN``."""
        for number, key in enumerate(keys, start=1):
            try:
                claims = jwt.decode(
                    token,
                    key.key,
                    algorithms=[key.algorithm],
                    issuer=self._issuer,
                    audience=self._audience,
                    leeway=self._leeway_seconds,
                    options={"require": ["exp", "iss", "aud", "sub"]},
                )
            except jwt.InvalidSignatureError:
                if number == len(keys):
                    raise
            else:
                _check_instants(claims)
                return claims
        raise jwt.InvalidSignatureError


_BAD_TOKEN = (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError)


def _reason(error: BaseException) -> str:
    """Why a token is refused, in words of ours: a library's may repeat what was sent."""
    return next((reason for kind, reason in _REASONS if isinstance(error, kind)), _UNREADABLE)


def _fitting(keys: Sequence[Key], algorithm: object) -> list[Key]:
    return [key for key in keys if key.algorithm == algorithm]


def _check_instants(claims: dict[str, Any]) -> None:
    """Raises ValueError where one is no NumericDate (RFC 7519, 2): PyJWT takes whatever ``int()`` takes."""
    for name in ("exp", "nbf", "iat"):
        if name not in claims:
            continue
        value = claims[name]
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not is_number or not 0 <= value < LATEST_INSTANT:
            raise ValueError(f"{name} is no NumericDate")


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
