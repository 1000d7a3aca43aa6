"""JSON Pointers (RFC 6901), and the characters that JSON can hold and PostgreSQL cannot."""

from __future__ import annotations

import re

UNSTORABLE = re.compile("[\0\ud800-\udfff]")
"""NUL, which PostgreSQL's text and jsonb cannot hold, and half a surrogate pair, which is no Unicode."""


def pointer(*path: object) -> str:
    """The pointer to a place. A key that is no good text is shown with its escapes."""
    tokens = (str(token)[:200].replace("~", "~0").replace("/", "~1") for token in path)
    return "".join("/" + UNSTORABLE.sub(lambda bad: f"\\u{ord(bad.group()):04x}", token) for token in tokens)
