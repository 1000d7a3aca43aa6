"""A finished document."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Document:
    """A whole PDF, with its SHA-256 in hexadecimal and the file name that OMS suggests."""

    content: bytes
    sha256: str
    file_name: str


def document_of(content: bytes, headers: Mapping[str, str]) -> Document | None:
    """The document of an answer; None if it is not whole."""
    sha256 = headers.get("ETag", "").removeprefix("W/").strip('"')
    is_whole = headers.get("Content-Length") == str(len(content)) and hashlib.sha256(content).hexdigest() == sha256
    found = re.search('filename="([A-Za-z0-9._-]+)"', headers.get("Content-Disposition", ""))
    return Document(content, sha256, found[1] if found else "document.pdf") if is_whole else None
