"""Refusals of HTTP calls: the base classes. Each refusal is an entry of the catalogue of problems."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from include.oms.words.errors import OmsError
from include.oms.words.problems import Problem

RETRY_AFTER_SECONDS = 5
"""What a caller is asked to wait when something is out of reach: long enough for a restart."""


class Refusal(OmsError):
    """The call is refused. The caller gets ``detail``."""

    problem: ClassVar[Problem]

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail

    def members(self) -> Mapping[str, Any]:
        """What the answer says beyond type, title, status and detail."""
        return {}


class ComeAgain(Refusal):
    """The caller may repeat the call, after ``retry_after_seconds``. Nothing was stored."""

    retry_after_seconds = RETRY_AFTER_SECONDS
