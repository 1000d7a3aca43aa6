"""/v1/document-requests/{request_id}/document: the finished PDF."""

from __future__ import annotations

import errno
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack

import structlog
from flask import Blueprint, Response, g, request

from include.oms.intake.bulkheads import Kind
from include.oms.intake.documents import Document, document
from oms_intake.authentication import READ, caller, needs, working
from oms_intake.parameters import parameters
from oms_intake.parts import parts
from oms_intake.requests import PATH

CHUNK_BYTES = 65_536
SENDING_SECONDS = 60.0
"""Longest time in which a client may take a document. The connection to a slower one is closed."""

log = structlog.get_logger()
documents = Blueprint("documents", __name__, url_prefix=PATH)


@documents.get("/<int:request_id>/document")
@needs(READ)
def fetch(request_id: int) -> Response:
    """The document of a COMPLETED request."""
    parameters()
    g.request_id = request_id
    with ExitStack() as held:
        held.enter_context(working(Kind.DOCUMENT))
        answer = _answer(document(parts().database, parts().documents, caller(), request_id, _known()))
        answer.call_on_close(held.pop_all().close)  # the place is free after the last byte, or with the connection
    return answer


def _known() -> set[bytes]:
    """The SHA-256 of each document that the client has, by If-None-Match."""
    return {bytes.fromhex(tag) for tag in re.findall('"([0-9a-f]{64})"', request.headers.get("If-None-Match", ""))}


def _answer(found: Document) -> Response:
    headers = {"ETag": f'"{found.sha256.hex()}"', "Cache-Control": "private, no-cache"}
    if found.content is None:
        return Response(status=304, headers=headers)
    name = f"{found.document_name}-{found.request_id}.pdf"
    headers |= {
        "Content-Length": str(len(found.content)),
        "Content-Disposition": f'attachment; filename="{_plain(name)}"',
        "Accept-Ranges": "none",  # Thunderhead gives none
    }
    return Response(_chunks(found.content, found.request_id), headers=headers, content_type="application/pdf")


def _chunks(content: bytes, request_id: int) -> Iterator[bytes]:
    """Piece by piece. Raises ConnectionResetError if the client is too slow: the server then closes the connection, and
    the client has less than the Content-Length.
    """
    until = time.monotonic() + SENDING_SECONDS
    for start in range(0, len(content), CHUNK_BYTES):
        if time.monotonic() > until:
            log.warning("client_too_slow", request_id=request_id)
            raise ConnectionResetError(errno.ECONNRESET, "the client takes the document too slowly")
        yield content[start : start + CHUNK_BYTES]


def _plain(name: str) -> str:
    """A name that needs no escapes in a header, whatever the reference data calls a document."""
    return re.sub("[^A-Za-z0-9._-]", "_", name)
