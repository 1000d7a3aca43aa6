"""The JSON of the API's contract, as types. Answers may have more members than these: the contract grows."""

from typing import Any, Literal, NotRequired, TypedDict

Status = Literal["QUEUED", "PROCESSING", "STOPPED", "FAILED", "COMPLETED"]
End = Literal["COMPLETED", "FAILED", "STOPPED"]


class Pair(TypedDict):
    """One entry of a request's metadata."""

    key: str
    value: str


class NewDocumentRequest(TypedDict):
    """What to ask for."""

    document_type: str
    document_name: str
    document_language: str
    source_environment: Literal["DEV", "SIT", "UAT", "PROD"]
    request_correlation_id: str
    document_content: dict[str, Any]
    document_metadata: NotRequired[list[Pair]]
    priority: NotRequired[Literal["HIGH", "NORMAL", "LOW"]]
    run_id: NotRequired[int]
    not_before: NotRequired[str]


class Batch(TypedDict):
    """One submission to Thunderhead."""

    attempt: int
    name: str
    status: str
    thunderhead_batch_id: int | None
    dms_document_id: int | None
    document_sha256: str | None
    document_bytes: int | None
    document_pages: int | None
    created_at: str
    submitted_at: str | None
    ended_at: str | None


class RequestError(TypedDict):
    """One error of a request."""

    revision: int
    attempt: int
    stage: str
    category: str
    description: str
    at: str


class DocumentRequest(TypedDict):
    """A request as it stands."""

    request_id: int
    request_correlation_id: str
    source_system: str
    source_environment: str
    document_type: str
    document_name: str
    document_language: str
    document_metadata: list[Pair]
    priority: str
    run_id: int | None
    not_before: str | None
    status: Status
    stage: str
    attempts: int
    revision: int
    created_at: str
    ended_at: str | None
    batches: list[Batch]
    errors: list[RequestError]


class BulkResult(TypedDict):
    """The answer to one request of a bulk call: ``body`` is the request or the problem."""

    status: int
    request_id: NotRequired[int]
    body: dict[str, Any]


class BulkAnswer(TypedDict):
    """The answer to a bulk call."""

    results: list[BulkResult]
    accepted: int
    replayed: int
    rejected: int


class TimelineEntry(TypedDict):
    """One thing that happened to a request."""

    at: str
    event: str
    actor: str
    detail: dict[str, Any]


class Operation(TypedDict):
    """A bulk operation and its progress."""

    operation_id: int
    action: str
    state: str
    counted: int
    worked: int
    done: int
    created_at: str
    ended_at: str | None
    answers: dict[str, int]


class CancelAnswer(TypedDict):
    """How many queued requests match, and the operation that withdraws them."""

    dry_run: bool
    number: int
    matches_all: bool
    needs_approval: bool
    operation: Operation | None


class ReplayedEvent(TypedDict):
    """An event that is published once more."""

    request_id: int
    event_id: str
    revision: int


class NewRun(TypedDict):
    """A run to open."""

    name: str
    expected: int
    hold: NotRequired[bool]
    proofs: NotRequired[int]
    deadline: NotRequired[str]


class Run(TypedDict):
    """Requests that belong together, with their control total, counted now."""

    run_id: int
    name: str
    source_system: str
    state: Literal["OPEN", "CLOSED", "COMPLETED"]
    expected: int
    received: int
    missing: int
    surplus: int
    statuses: dict[Status, int]
    red: int
    withdrawn: int
    oldest_open_at: str | None
    hold: bool
    proofs: int
    deadline: str
    late: bool
    opened_by: str
    opened_at: str
    released_by: str | None
    released_at: str | None
    closed_by: str | None
    closed_at: str | None
    completed_at: str | None


class Filter(TypedDict, total=False):
    """The filter of a search. All that is given must match."""

    status: list[Status]
    document_type: str
    document_name: str
    request_correlation_id: str
    run_id: int
    metadata: list[str]  # KEY:VALUE
    created_from: str
    created_to: str


class EventError(TypedDict):
    """One error in a final event."""

    stage: str
    category: str
    description: str
    at: str


class FinalStatus(TypedDict):
    """The ``data`` of a final event."""

    request_id: int
    request_correlation_id: str
    source_system: str
    document_type: str
    document_name: str
    status: End
    revision: int
    attempts: int
    errors: list[EventError]
    thunderhead_batch_id: NotRequired[int | None]
    dms_document_id: NotRequired[int | None]


class FinalEvent(TypedDict):
    """A CloudEvent that tells the end of a request."""

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: str
    datacontenttype: str
    data: FinalStatus
