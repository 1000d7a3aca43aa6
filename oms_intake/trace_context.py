"""The client's trace, taken over as W3C Trace Context has it (https://www.w3.org/TR/trace-context/)."""

from __future__ import annotations

import re

_TRACE_PARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?P<more>-.*)?", re.ASCII
)


def trace_parent(header: str) -> str | None:
    """The call's ``traceparent``; None where there is none or a bad one, which the standard says to ignore."""
    sent = header.strip()
    found = _TRACE_PARENT.fullmatch(sent)
    if not found or (found["more"] is not None and sent.startswith("00")):
        return None
    return sent[:55]  # a later version may have more to say than we know of
