"""Cacheable answers: ETag, Cache-Control and 304 (RFC 9110, 13; RFC 9111)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

from psycopg.rows import DictRow
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

# A change must reach every caller within half a minute, as REFERENCE_DATA_FRESH_SECONDS of the intake. Half a minute of
# caching saves nearly all reads, because callers repeat the same few.
MAX_AGE_SECONDS = 30

_TAGS = re.compile(r'(?:W/)?("[^"]*")')


def tag_of(content: bytes) -> str:
    """The strong ETag of an answer."""
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def is_expected(request: Request, model: type[BaseModel]) -> Callable[[DictRow], bool]:
    """Return a check: is a row the one that If-Match names (RFC 9110, 13.1.1)? Without If-Match, every row is."""
    known = request.headers.get("if-match", "*").strip()

    def expected(row: DictRow) -> bool:
        return known == "*" or tag_of(model.model_validate(row).model_dump_json().encode()) in _TAGS.findall(known)

    return expected


def cacheable(request: Request, content: bytes) -> Response:
    """The answer to a read: the content with its strong ETag, or 304 if the caller already has this content."""
    tag = tag_of(content)
    headers = {"ETag": tag, "Cache-Control": f"max-age={MAX_AGE_SECONDS}"}
    known = request.headers.get("if-none-match", "")
    if known.strip() == "*" or tag in _TAGS.findall(known):
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type="application/json")
