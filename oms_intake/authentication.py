"""Authentication and authorization: a decorator for every view that needs a token."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from typing import ParamSpec

from flask import g, request
from flask.typing import ResponseReturnValue

from include.oms.identity.tokens import LONGEST_NAME, Identity
from include.oms.intake.accepting import Caller
from include.oms.intake.bulkheads import Kind
from include.oms.intake.refusals import Fault, Invalid, UnknownSourceSystem
from include.oms.words.names import name_fault
from oms_intake.parts import parts
from oms_intake.trace_context import trace_parent
from oms_intake.tracing import own_trace_parent

READ, WRITE, RELEASE = "documents:read", "documents:write", "runs:release"

P = ParamSpec("P")


def needs(scope: str) -> Callable[[Callable[P, ResponseReturnValue]], Callable[P, ResponseReturnValue]]:
    """Require a valid token with that scope. ``caller()`` then returns its client."""

    def guard(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
            g.caller = _admit(scope)
            return view(*args, **kwargs)

        return guarded

    return guard


def caller() -> Caller:
    """The client of this call. Only in a view that ``needs`` a scope."""
    admitted: Caller = g.caller
    return admitted


def identify() -> Identity:
    """The client of the call's token. Raises NotAuthenticated."""
    return parts().tokens.bearer(request.headers.get("Authorization", ""))


def _admit(scope: str) -> Caller:
    identity = identify()
    g.subject = identity.subject
    identity.require(scope)
    if identity.source_system is None:
        raise UnknownSourceSystem("the token names no source_system")
    g.source_system = identity.source_system
    parts().bulkheads.begin(identity.source_system)
    g.counted = identity.source_system
    trace = own_trace_parent() or trace_parent(request.headers.get("traceparent", ""))
    return Caller(identity.source_system, identity.subject, _origin_user(), trace)


def working(kind: Kind) -> AbstractContextManager[None]:
    """A bulkhead for the work of this call. Entering it waits for a place. Only in a view that ``needs`` a scope."""
    return parts().bulkheads.work(kind, caller().source_system)


def end_call(_: BaseException | None) -> None:
    """End the counting of the call for its source system. Runs at the end of every call."""
    if source_system := g.pop("counted", None):
        parts().bulkheads.end(source_system)


def _origin_user() -> str | None:
    """The person that the calling system names in X-Origin-User."""
    sent = request.headers.get("X-Origin-User", "").strip(" \t")
    try:
        name = sent.encode("latin-1").decode("utf-8")  # WSGI has made Latin-1 of the header's bytes
    except UnicodeDecodeError:
        name = sent
    if len(name) > LONGEST_NAME:
        raise Invalid([Fault("X-Origin-User", f"must have {LONGEST_NAME} characters at most")])
    if fault := name_fault(name):
        raise Invalid([Fault("X-Origin-User", fault)])
    return name or None
