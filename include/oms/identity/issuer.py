"""The checks of tokens, as the settings name the issuer."""

from __future__ import annotations

from include.oms.base.cached_document import CachedDocument
from include.oms.base.fetching import Fetcher
from include.oms.base.settings import Settings
from include.oms.identity.keys import JwksKeys, PemKeys, parse_jwks
from include.oms.identity.tokens import Tokens

LEEWAY_SECONDS = 10.0  # how far the clocks of the issuer and of a service may differ


def tokens_of_issuer(settings: Settings, fetcher: Fetcher) -> Tokens | None:
    """Checks tokens of the configured issuer; None where the settings name no key. Raises ValueError for a bad file."""
    keys: JwksKeys | PemKeys
    if settings.jwt_jwks_url:
        keys = JwksKeys(CachedDocument(fetcher, settings.jwt_jwks_url, parse_jwks))
    elif settings.jwt_public_key_file:
        keys = PemKeys(settings.jwt_public_key_file)
    else:
        return None
    return Tokens(keys, issuer=settings.jwt_issuer, audience=settings.jwt_audience, leeway_seconds=LEEWAY_SECONDS)
