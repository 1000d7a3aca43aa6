"""The media type of a message."""

from __future__ import annotations

from collections.abc import Mapping


def media_type(headers: Mapping[str, str]) -> str:
    """``Content-Type`` without its parameters, in lower case; empty if there is none (RFC 9110, 8.3.1).

    ``headers`` finds names in any case, as those of HTTP libraries do.
    """
    return headers.get("Content-Type", "").partition(";")[0].strip().lower()
