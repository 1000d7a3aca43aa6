"""Authorization: writes need a token of the configured issuer with a scope; reads need no token."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from include.oms.base.fetching import Fetcher
from include.oms.identity.issuer import tokens_of_issuer
from include.oms.identity.keys import IdentityOutOfReach
from include.oms.identity.tokens import InsufficientScope, NotAuthenticated
from include.oms.words.refusals import ComeAgain, Refusal
from include.services.answers import Handler, problem
from include.services.reference_data.settings import ReferenceDataSettings

SCOPE = "reference-data:write"
REALM = 'Bearer realm="oms-reference-data"'


def writer(settings: ReferenceDataSettings, fetcher: Fetcher) -> Callable[[Request], None]:
    """The dependency of routes that write. It runs in a thread, because it may fetch the issuer's keys.

    The dependency raises NotAuthenticated, InsufficientScope, and IdentityOutOfReach (also if no key is configured).
    """
    tokens = tokens_of_issuer(settings, fetcher)

    def require_writer(request: Request) -> None:
        if tokens is None:
            raise IdentityOutOfReach("set OMS_JWT_JWKS_URL or OMS_JWT_PUBLIC_KEY_FILE: without a key nobody may write")
        caller = tokens.bearer(request.headers.get("authorization", ""))
        caller.require(SCOPE)
        request.state.writer = caller.subject  # for the history of what is written

    return require_writer


async def _refused(_request: Request, refusal: Refusal) -> Response:
    headers = {}
    if isinstance(refusal, NotAuthenticated):
        headers["WWW-Authenticate"] = f'{REALM}, error="invalid_token", error_description="{refusal.detail}"'
    elif isinstance(refusal, InsufficientScope):
        headers["WWW-Authenticate"] = f'{REALM}, error="insufficient_scope", scope="{refusal.scope}"'
    elif isinstance(refusal, ComeAgain):
        headers["Retry-After"] = str(refusal.retry_after_seconds)
    return problem(refusal.problem.status or 500, refusal.detail, headers)


REFUSAL_HANDLERS: dict[type[Exception], Handler] = {Refusal: _refused}
