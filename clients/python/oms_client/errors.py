"""What can go wrong with a call: one class for each decision that a caller takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class OmsError(Exception):
    """A call to OMS did not succeed."""


class Refused(OmsError):
    """OMS refuses the call. The same call is refused again.

    ``type`` is the path of a page of the intake that explains the problem; ``call_id`` is what its operators ask for.
    """

    def __init__(self, call: str, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.problem = dict(problem)
        self.type = str(problem.get("type", ""))
        self.detail = str(problem.get("detail", ""))
        self.errors: list[Any] = list(problem.get("errors") or [])
        self.call_id = str(problem.get("request_id", ""))
        super().__init__(f"{call} was answered {status} {self.type}: {self.detail} {self.errors} (call {self.call_id})")


class OutOfReach(OmsError):
    """OMS gave no usable answer, however often it was asked. The same call may succeed later."""
