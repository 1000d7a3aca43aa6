"""A try of a request, as the steps of document_processing pass it on: held request, document, result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from time import monotonic

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from include.oms.slices.cutting import slice_label
from include.oms.slices.recording import Tried
from include.oms.words.errors import Closed, OutcomeUnknown, Unavailable
from include.oms.words.model import Stage
from include.oms.words.state_machine import Outcome, own_failure


class HeldRequest(Struct, frozen=True):
    """A request in the hands of this worker; ``batch_*`` and ``xml`` belong to an intent that it already has.

    ``content`` and ``xml`` are read when its document is made, and are not kept: a slice may have a thousand megabytes.
    """

    request_id: int
    source_system: str
    request_correlation_id: str
    document_type: str
    document_name: str
    document_language: str
    source_environment: str
    traceparent: str | None  # of the client's POST
    stage: str
    spent: int
    takeovers: int
    content_bytes: int
    metadata: dict[str, str]
    batch_name: str | None
    batch_config_id: str | None
    unsure_since: datetime | None
    unsure_for_seconds: float | None  # positive: a former worker may live this much longer; negative: it ended before
    content: str | None = None  # JSON text; None once its retention has ended
    xml: str | None = None
    read_at: float = msgspec.field(default_factory=monotonic)


class Document(Struct, frozen=True):
    """The document that is submitted for a request."""

    request: HeldRequest
    config_id: str
    xml: str
    topic: str | None = None
    batch_name: str = ""  # empty until its intent is written
    in_doubt: bool = False  # an earlier submit may have arrived: its name is looked up first
    tries: int = 0  # of this worker, without success


class TryResult(Tried, frozen=True):
    """The result of one try of document_processing."""

    request: HeldRequest
    batch_id: int | None = None
    adopted: bool = False
    in_doubt: bool | None = None  # whether a submit may have arrived; None leaves that as it was
    wait_seconds: float | None = None  # if the try itself says how long to wait
    was_called: bool = True
    may_be_kept: bool = True  # in the slice, for the next try
    is_kept: bool = False

    @property
    def request_id(self) -> int:
        """The request that was tried."""
        return self.request.request_id


def failed(request: HeldRequest, stage: Stage, category: str, description: str, *, max_attempts: int) -> TryResult:
    """A failure of the request itself: it gets another attempt later, or ends."""
    outcome = own_failure(stage, category, spent=request.spent, max_attempts=max_attempts)
    return TryResult(request, stage=stage, outcome=outcome, in_doubt=False, category=category, description=description)


def unavailable(request: HeldRequest, stage: Stage, error: Unavailable, *, in_doubt: bool | None = None) -> TryResult:
    """An outage: the outside system was out of reach. No attempt is spent."""
    return TryResult(
        request, stage=stage, outcome=Outcome.UNAVAILABLE, in_doubt=in_doubt, wait_seconds=error.retry_after,
        was_called=not isinstance(error, Closed), description=error.with_what_was_said,
    )  # fmt: skip


def not_called(document: Document, reason: str, wait_seconds: float | None = None) -> TryResult:
    """No call was made, and no attempt is spent. ``wait_seconds``: until one may be made; None: not by this worker."""
    return TryResult(
        document.request, stage=Stage.SUBMISSION, outcome=Outcome.UNAVAILABLE,
        in_doubt=None if document.in_doubt else False, wait_seconds=wait_seconds, was_called=False,
        may_be_kept=wait_seconds is not None, description=reason,
    )  # fmt: skip


def unsure(request: HeldRequest, error: OutcomeUnknown) -> TryResult:
    """A submit without a readable answer."""
    return TryResult(
        request, stage=Stage.SUBMISSION, outcome=Outcome.UNSURE, in_doubt=True, wait_seconds=error.retry_after,
        category=error.category, description=error.with_what_was_said,
    )  # fmt: skip


def in_doubt_document(request: HeldRequest) -> Document:
    """The document that an earlier worker may have submitted, unchanged. Its name is looked up first."""
    return Document(
        replace(request, content=None, xml=None), request.batch_config_id or "", request.xml or "",
        batch_name=request.batch_name or "", in_doubt=True,
    )  # fmt: skip


@dataclass
class SliceMembers:
    """The requests that a slice has held so far, and the label that follows from them."""

    times: int = 0
    systems: Counter[str] = field(default_factory=Counter)
    first_id: float = inf
    last_id: int = 0
    _ids: set[int] = field(default_factory=set)

    def is_new(self, request: HeldRequest) -> bool:
        """Whether the request was not yet added."""
        return request.request_id not in self._ids

    def add(self, requests: Sequence[HeldRequest]) -> None:
        """Add the requests that it was cut with or claimed later."""
        ids = [request.request_id for request in requests]
        self.first_id, self.last_id = min(self.first_id, *ids), max(self.last_id, *ids)
        self._ids.update(ids)
        self.systems.update(request.source_system for request in requests)
        self.times += 1

    @property
    def label_if_grown(self) -> str | None:
        """The slice's label with all its requests; None if it claimed no more than it was cut with."""
        if self.times < 2:
            return None
        return slice_label(self.systems.total(), int(self.first_id), self.last_id, self.systems)
