"""Calls of the Document Request API, each repeated while it may succeed later."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack, cast

import httpx

from oms_client.documents import Document, document_of
from oms_client.errors import OutOfReach, Refused
from oms_client.model import (
    BulkAnswer,
    CancelAnswer,
    DocumentRequest,
    Filter,
    NewDocumentRequest,
    NewRun,
    Operation,
    ReplayedEvent,
    Run,
    TimelineEntry,
)

PATH = "/v1/document-requests"
RUNS = "/v1/runs"
OPEN = ("QUEUED", "PROCESSING")
CALL_SECONDS = 40.0  # longer than the gateway's limit for a call
LONGEST_WAIT_SECONDS = 60.0  # between two attempts, whatever an answer asks for
LONGEST_POLL_SECONDS = 30.0

T = TypeVar("T")


class OmsClient:
    """A client of one intake; a context manager. Threads may share it.

    ``token`` is a JWT, or a function that returns one in force: it is called for each attempt. Every call raises
    `Refused`, and `OutOfReach` after ``attempts`` attempts. Repeated calls do no harm: a correlation id makes one
    document, and all other calls may be made twice.
    """

    def __init__(
        self, url: str, token: str | Callable[[], str], *, attempts: int = 8, http: httpx.Client | None = None
    ) -> None:
        self._http = http or httpx.Client(timeout=CALL_SECONDS)
        self._url = url.rstrip("/")
        self._token = token
        self._attempts = attempts

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, it: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    # -- Hand in -----------------------------------------------------------------------------------

    def ask(self, request: NewDocumentRequest) -> DocumentRequest:
        """Ask for one document. The same request again returns its present state."""
        return cast(DocumentRequest, self._json("POST", PATH, json=request))

    def ask_for_many(self, requests: Sequence[NewDocumentRequest]) -> BulkAnswer:
        """Ask for up to 500 documents. ``results`` has an answer for each, in the same order."""
        return cast(BulkAnswer, self._json("POST", f"{PATH}/bulk", json=list(requests)))

    def check(self, request: NewDocumentRequest) -> None:
        """Check a request without storing it. Raises Refused, whose ``errors`` name each fault and its place."""
        self._json("POST", PATH, json=request, params={"validate_only": "true"})

    # -- Follow ------------------------------------------------------------------------------------

    def get(self, request_id: int) -> DocumentRequest:
        """A request as it stands."""
        return cast(DocumentRequest, self._json("GET", f"{PATH}/{request_id}"))

    def find(self, **filter: Unpack[Filter]) -> Iterator[DocumentRequest]:
        """All requests that match, newest first."""
        cursor: dict[str, str] = {}
        while True:
            page = self._json("GET", PATH, params={**filter, "limit": 500, **cursor})
            yield from page["items"]
            if page["next_cursor"] is None:
                return
            cursor = {"cursor": page["next_cursor"]}

    def timeline(self, request_id: int) -> list[TimelineEntry]:
        """Everything that happened to a request, oldest first."""
        return cast(list[TimelineEntry], self._json("GET", f"{PATH}/{request_id}/timeline")["items"])

    def wait_for_end(self, request_id: int, *, seconds: float = 600.0) -> DocumentRequest:
        """Ask, at growing intervals, until the request has ended. Raises TimeoutError after ``seconds``.

        For many requests, consume their events instead.
        """
        until, interval = time.monotonic() + seconds, 1.0
        while (request := self.get(request_id))["status"] in OPEN:
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"request {request_id} is {request['status']} after {seconds:.0f} s")
            time.sleep(min(interval, left))
            interval = min(interval * 1.5, LONGEST_POLL_SECONDS)
        return request

    def document(self, request_id: int) -> Document:
        """The PDF of a COMPLETED request. A document that arrives cut off is fetched again."""

        def read(answer: httpx.Response) -> Document | None:
            return document_of(answer.content, answer.headers)

        return self._call("GET", f"{PATH}/{request_id}/document", read, headers={"Accept-Encoding": "identity"})

    # -- Withdraw, and the event again -------------------------------------------------------------

    def cancel(self, request_id: int) -> DocumentRequest:
        """Withdraw a request that OMS has not begun to process."""
        return cast(DocumentRequest, self._json("POST", f"{PATH}/{request_id}/cancel"))

    def cancel_all(self, *, dry_run: bool = True, confirm_all: bool = False, **filter: Unpack[Filter]) -> CancelAnswer:
        """Count the queued requests that match; without ``dry_run``, withdraw them in the background.

        If the filter matches all queued requests, ``confirm_all`` is needed.
        """
        options = {"dry_run": str(dry_run).lower(), "confirm_all": str(confirm_all).lower()}
        return cast(CancelAnswer, self._json("POST", f"{PATH}/cancel", params={**filter, **options}))

    def operation(self, operation_id: int) -> Operation:
        """The progress of an operation."""
        return cast(Operation, self._json("GET", f"/v1/operations/{operation_id}"))

    def replay(self, request_id: int) -> ReplayedEvent:
        """Have the newest final event of a request published once more, with the same id."""
        return cast(ReplayedEvent, self._json("POST", f"{PATH}/{request_id}/events/replay"))

    # -- Runs --------------------------------------------------------------------------------------

    def open_run(self, run: NewRun) -> Run:
        """Open a run. Requests join it by its ``run_id``. The same call again returns its present state."""
        return cast(Run, self._json("POST", RUNS, json=run))

    def run(self, run_id: int) -> Run:
        """A run, with its requests counted now."""
        return cast(Run, self._json("GET", f"{RUNS}/{run_id}"))

    def close_run(self, run_id: int, *, expected: int | None = None) -> Run:
        """Close a run, with another control total if ``expected`` is given. Raises Refused if requests are missing."""
        what = {} if expected is None else {"json": {"expected": expected}}
        return cast(Run, self._json("POST", f"{RUNS}/{run_id}/close", **what))

    def release_run(self, run_id: int) -> Run:
        """Release a held run that another client has opened. Needs the scope ``runs:release``."""
        return cast(Run, self._json("POST", f"{RUNS}/{run_id}/release"))

    # -- Calls -------------------------------------------------------------------------------------

    def _json(self, method: str, path: str, **what: Any) -> dict[str, Any]:
        """The object in the answer. A page that a proxy answers in its place counts as no answer."""
        return self._call(method, path, lambda answer: _object(answer) or None, **what)

    def _call(self, method: str, path: str, read: Callable[[httpx.Response], T | None], **what: Any) -> T:
        """Make a call until ``read`` makes something of its answer. Raises Refused, OutOfReach."""
        call, headers, why = f"{method} {path}", what.pop("headers", {}), "no answer"
        for attempt in range(self._attempts):
            token = self._token if isinstance(self._token, str) else self._token()
            wait_seconds = float(2**attempt)
            try:
                answer = self._http.request(
                    method, self._url + path, headers={**headers, "Authorization": f"Bearer {token}"}, **what
                )
            except (httpx.TransportError, httpx.DecodingError) as error:
                why = f"no answer: {type(error).__name__}"
            else:
                if answer.is_success and (found := read(answer)) is not None:
                    return found
                if not (answer.is_success or answer.status_code == 429 or answer.status_code >= 500):
                    raise Refused(call, answer.status_code, _object(answer))
                why = f"{answer.status_code} {_object(answer).get('type', '')}"
                wait_seconds = seconds_to_wait(answer.headers.get("Retry-After", ""), wait_seconds)
            if attempt < self._attempts - 1:
                time.sleep(wait_seconds)
        raise OutOfReach(f"{call}: {why}, after {self._attempts} attempts")


def seconds_to_wait(retry_after: str, default: float) -> float:
    """The wait that Retry-After asks for (a number or a date), at most a minute; ``default`` if it asks for none."""
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            date = parsedate_to_datetime(retry_after)
            seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            seconds = default
    return min(max(seconds, 0.0), LONGEST_WAIT_SECONDS) if math.isfinite(seconds) else default


def _object(answer: httpx.Response) -> dict[str, Any]:
    """The JSON object in an answer; an empty one if there is none."""
    try:
        content = answer.json()
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
