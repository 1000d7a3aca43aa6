"""The intake's contract, read: ``contracts/document-requests.openapi.yaml``."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

CONTRACTS = Path(__file__).parents[2] / "contracts"


@cache
def contract() -> dict[str, Any]:
    """The whole OpenAPI document. Callers must not change it."""
    read: dict[str, Any] = yaml.safe_load((CONTRACTS / "document-requests.openapi.yaml").read_text("utf-8"))
    return read


def new_request_schema() -> dict[str, Any]:
    """The JSON Schema of a new document request."""
    schema: dict[str, Any] = contract()["components"]["schemas"]["NewDocumentRequest"]
    return schema
