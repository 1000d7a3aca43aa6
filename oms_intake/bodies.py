"""The body of a call: bounded, and JSON in UTF-8 only."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Response, request
from werkzeug.exceptions import BadRequest, HTTPException, RequestEntityTooLarge, UnsupportedMediaType

from include.oms.intake.bulkheads import COSTLY_BYTES, Kind
from oms_intake.authentication import working
from oms_intake.parts import parts

BULK = "requests.ask_for_many"  # the endpoint that takes many requests in one body
LARGER_IN_BULK = 8  # times the limit of a single request; each request in it has that limit, too
DISCARDED_BYTES = 16 * 1024 * 1024
DISCARDED_SECONDS = 2.0


def refuse_large_body() -> None:
    """Refuse a body whose Content-Length is too large, before it is read."""
    if (request.content_length or 0) > _largest():
        raise RequestEntityTooLarge


@contextmanager
def body_in_turn() -> Iterator[bytes]:
    """The body, and a place for the work on it while the block runs. A large body waits for its turn to be read, too.

    Raises what ``json_body`` raises, and TooManyCalls.
    """
    length = request.content_length
    if length is None or length > COSTLY_BYTES:  # a chunked body does not say how large it is
        with working(Kind.COSTLY):
            yield json_body()
    else:
        body = json_body()
        with working(Kind.PLAIN):
            yield body


def json_body() -> bytes:
    """The body's bytes. Raises werkzeug's UnsupportedMediaType, RequestEntityTooLarge and BadRequest."""
    charset = request.mimetype_params.get("charset", "utf-8")
    encoding = request.headers.get("Content-Encoding", "identity")
    if request.mimetype != "application/json" or charset.lower() not in ("utf-8", "utf8") or encoding != "identity":
        raise UnsupportedMediaType
    largest = _largest()
    try:
        body = request.stream.read(largest + 1)  # a chunked body does not say how large it is
    except HTTPException:
        raise
    except Exception as error:  # the server's parser: a bad chunk, a bad trailer, or the client has gone
        raise BadRequest from error
    if len(body) > largest:
        raise RequestEntityTooLarge
    return body


def _largest() -> int:
    """The most bytes that the body of this call may have."""
    settings = parts().settings
    return settings.max_body_bytes * (LARGER_IN_BULK if request.endpoint == BULK else 1)


def discard_unread_body(answer: Response) -> Response:
    """Read what a refused client still sends, within bounds, so that it gets the answer.

    A connection that is closed with unread data is reset, and the reset overtakes the answer (RFC 9112, 9.6).
    """
    if answer.status_code < 400 or request.method not in ("POST", "PUT", "PATCH"):
        return answer
    stream, client = request.environ["wsgi.input"], request.environ.get("gunicorn.socket")
    until, left = time.monotonic() + DISCARDED_SECONDS, DISCARDED_BYTES
    try:
        if client:
            client.settimeout(DISCARDED_SECONDS)
        while left > 0 and time.monotonic() < until and (part := stream.read(min(left, 65536))):
            left -= len(part)
    except Exception:  # noqa: BLE001, S110  # it stopped sending, or what it sends is no body: the connection is closed
        pass
    finally:
        if client:
            client.settimeout(None)
    return answer
