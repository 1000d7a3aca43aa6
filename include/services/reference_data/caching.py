"""Answers that callers may keep for a while and ask about again for next to nothing (RFC 9110, 13; RFC 9111)."""

from __future__ import annotations

import hashlib
import re

from starlette.requests import Request
from starlette.responses import Response

# A change must reach every caller within half a minute (the intake's own reference_data_fresh_seconds), and half a
# minute spares nearly all reads: they are the same few, again and again.
MAX_AGE_SECONDS = 30

_TAGS = re.compile(r'(?:W/)?("[^"]*")')


def cacheable(request: Request, content: bytes) -> Response:
    """A read's answer: the content with its strong ETag, or 304 where the caller has just that."""
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": f"max-age={MAX_AGE_SECONDS}"}
    known = request.headers.get("if-none-match", "")
    if known.strip() == "*" or tag in _TAGS.findall(known):
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type="application/json")
