"""The catalogue of problems: the intake's problem types and the jobs' error categories.

The intake serves each entry as a page under ``/problems/<name>``; problem answers, logs, the console and the final
events name it. A name never changes and is never reused: clients' code depends on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from include.oms.words.model import Category


class CausedBy(StrEnum):
    """Who or what caused a problem."""

    CLIENT = "the client"
    OMS = "OMS"
    OPERATIONS = "the operation of OMS, or nobody"
    THUNDERHEAD = "Thunderhead"


@dataclass(frozen=True)
class Problem:
    """One entry of the catalogue."""

    name: str
    title: str
    meaning: str
    caused_by: CausedBy
    what_to_do: str
    worth_retrying: bool  # with the same content, later
    status: int | None = None  # HTTP, where the intake answers it

    @property
    def path(self) -> str:
        """The stable URL path of its page: ``type`` of a problem answer."""
        return f"/problems/{self.name}"

    def page(self, problems_url: str) -> str:
        """Where a person finds its page; ``problems_url`` is the setting of that name."""
        return f"{problems_url.rstrip('/')}/{self.name}"


def _answered(status: int, name: str, title: str, meaning: str, caused_by: CausedBy, cure: str, retry: bool) -> Problem:
    return Problem(name, title, meaning, caused_by, cure, retry, status)


_ANSWERS = (
    _answered(
        400, "malformed-json", "The body is not JSON",
        "The body could not be read as JSON (RFC 8259, UTF-8): a syntax error, NaN or Infinity, bytes that are not "
        "UTF-8, or an object that names the same member twice.",
        CausedBy.CLIENT, "Correct the code that builds the body. `detail` says what is wrong, and where.", False),
    _answered(
        400, "bad-call", "The call cannot be understood",
        "The HTTP call itself is broken: its headers, its encoding or its length.",
        CausedBy.CLIENT, "Compare the call with the contract at /openapi.json.", False),
    _answered(
        401, "not-authenticated", "No token, or a bad one",
        "Every call needs `Authorization: Bearer <JWT>`. The token must be signed asymmetrically by the configured "
        "issuer, name the configured audience, be in force, and have a `sub`. `WWW-Authenticate` says what is wrong.",
        CausedBy.CLIENT, "Fetch a new token from the issuer. If it is refused, too, ask the operator of the issuer.",
        False),
    _answered(
        403, "insufficient-scope", "The token lacks the scope",
        "Handing in and withdrawing need `documents:write`, reading needs `documents:read`, releasing a run needs "
        "`runs:release`.",
        CausedBy.CLIENT, "Ask the operator of the issuer for the scope that `WWW-Authenticate` names.", False),
    _answered(
        403, "unknown-source-system", "The token's source system may not ask for documents",
        "The token has no `source_system`, or one that is not in force in the reference type SOURCE_SYSTEM.",
        CausedBy.CLIENT, "Have the source system registered in the reference data, or the token's claim corrected.",
        False),
    _answered(
        403, "own-run", "A run is released by somebody else",
        "The client that opened a run must not release it: a second pair of eyes looks at the proofs.",
        CausedBy.CLIENT, "Let another client of the source system release it, with the scope `runs:release`, or an "
        "operator in the console.", False),
    _answered(
        404, "not-found", "The path, the request or the run does not exist",
        "The path, the request, the run or the content does not exist, or belongs to another source system. "
        "Payloads are erased at the end of their retention.",
        CausedBy.CLIENT, "Check the id and the source system of the token.", False),
    _answered(
        405, "method-not-allowed", "This path has no such method",
        "The path exists, with the methods that `Allow` names.",
        CausedBy.CLIENT, "Compare the call with the contract at /openapi.json.", False),
    _answered(
        409, "correlation-id-used", "This correlation id was used before, with another content",
        "`request_correlation_id` is unique within a source system. This content differs from the stored content; "
        "the same content would be answered 200. `request` has the present state of the stored request.",
        CausedBy.CLIENT, "Use a new correlation id for a new document. Repeat a call only with the same content.",
        False),
    _answered(
        409, "too-late-to-cancel", "The request can no longer be withdrawn",
        "A job has claimed the request, or it has ended. `request` has its present state.",
        CausedBy.CLIENT, "Wait for the final event. A document that was submitted to Thunderhead cannot be withdrawn.",
        False),
    _answered(
        409, "run-name-used", "This name was used before, for another run",
        "The name of a run is unique within a source system. A run with this name and other values is stored; the same "
        "values would be answered 200. `run` has its present state.",
        CausedBy.CLIENT, "Use a new name for a new run. Repeat a call only with the same values.", False),
    _answered(
        409, "run-not-open", "The request names no open run",
        "The run is closed, or this source system has no run with this id. The request was not stored.",
        CausedBy.CLIENT, "Open another run for what is still to be sent, or send the request without a run.", False),
    _answered(
        409, "run-does-not-add-up", "The run has more or fewer requests than expected",
        "The control total of the run is not the number of requests that have joined it. `run` has both, and how many "
        "are missing or too many. The run stays open.",
        CausedBy.CLIENT, "Send the missing requests, and close the run again. If the control total is wrong, close it "
        "with the right one in `expected`.", False),
    _answered(
        409, "document-not-ready", "The request has no document yet",
        "Only a COMPLETED request has a document. `request` has its present state.",
        CausedBy.CLIENT, "Wait for the final event. A request that ended FAILED or STOPPED has no document.", False),
    _answered(
        409, "matches-all", "The filter matches all queued requests",
        "The filter of the cancel call has no condition, or it matches all queued requests of the source system. "
        "Nothing was withdrawn.",
        CausedBy.CLIENT, "If you want to withdraw all of them, repeat the call with `confirm_all=true`.", False),
    _answered(
        409, "no-event-yet", "The request has no event yet",
        "A request has a final event when it has ended. `request` has its present state.",
        CausedBy.CLIENT, "Wait for the final event.", False),
    _answered(
        410, "erased", "The request has been erased",
        "The request is past its retention. Its content is erased, and OMS no longer has its document or event.",
        CausedBy.CLIENT, "If you still need the document, ask those who operate your archive of documents.", False),
    _answered(
        413, "too-large", "The call is larger than the limit",
        "The body is larger than 1 MiB, that of a bulk call than 8 MiB (unless configured otherwise), or a bulk call "
        "holds more than 500 requests.",
        CausedBy.CLIENT, "Divide a bulk call into several calls, or make the content smaller.", False),
    _answered(
        415, "unsupported-media-type", "The body is not application/json",
        "Bodies are `application/json` in UTF-8, without a content encoding.",
        CausedBy.CLIENT, "Send `Content-Type: application/json`, and the body uncompressed.", False),
    _answered(
        422, "invalid-request", "The call fails a schema or the reference data",
        "`errors` lists every fault: `pointer` is a JSON Pointer into the body, `?name` for a query parameter, or "
        "the name of a header; `detail` says what is wrong there. Faults under `/document_content` are of the schema "
        "that the document's template has in the reference data.",
        CausedBy.CLIENT, "Correct every fault that is listed. If a value is missing in the reference data, it can be "
        "added there; it is valid within a second.", False),
    _answered(
        414, "uri-too-long", "The request line is longer than the limit",
        "Method, path and query are longer than 8,000 bytes together.",
        CausedBy.CLIENT, "Ask for less at a time: fewer parameters, shorter values.", False),
    _answered(
        422, "too-wide", "The query is too wide",
        "The query would read more requests than one call may. `errors` names the parameters that narrow it.",
        CausedBy.CLIENT, "Narrow it: a later `created_from`, an earlier `created_to`, a rarer `metadata` pair, or "
        "`request_correlation_id`. Repeating the same call does not help.", False),
    _answered(
        431, "headers-too-large", "The headers are larger than the limit",
        "The call has more than 100 header fields, or one that is longer than 16 KiB.",
        CausedBy.CLIENT, "Send fewer and shorter headers. If the token has too many claims, ask the issuer's "
        "administrators.", False),
    _answered(
        429, "too-many-calls", "Too many calls at once",
        "This client, address or source system calls too often, or has too many calls in flight. "
        "Nothing was stored.",
        CausedBy.CLIENT, "Repeat the same call after `Retry-After` seconds. Hand in many requests by bulk calls. Wait "
        "for the final events instead of polling.", True),
    _answered(
        429, "quota-exceeded", "A quota of the source system is used up",
        "The source system has as many open requests as it may, or it has handed in as many requests or bytes in this "
        "hour as it may. `quota` names which; `limit` and `used` say how much. `RateLimit` on each answer tells what "
        "is left. Nothing was stored. A repeated request that is stored costs nothing.",
        CausedBy.CLIENT, "Repeat the same call after `Retry-After` seconds. If the quota is too small, ask the "
        "operators of OMS for another one.", True),
    _answered(
        500, "internal-error", "OMS failed",
        "OMS has an unexpected error. The log has it under the call's `request_id`.",
        CausedBy.OMS, "Report the `request_id`. You may repeat the call, because a correlation id makes one document.",
        True),
    _answered(
        502, "document-unusable", "Thunderhead does not give the whole document",
        "Thunderhead no longer has the document, or its answer is cut off, no PDF, or larger than 64 MiB.",
        CausedBy.THUNDERHEAD, "Repeat the call later. If the answer stays the same, report its `request_id`.", True),
    _answered(
        503, "thunderhead-unavailable", "Thunderhead is out of reach",
        "Thunderhead does not answer, is paused by an operator, or has too many calls. The document cannot be fetched "
        "now.",
        CausedBy.THUNDERHEAD, "Repeat the same call after `Retry-After` seconds.", True),
    _answered(
        503, "database-unavailable", "The OMS Database is out of reach",
        "The database did not answer in time. Nothing was stored, unless the connection broke while the request was "
        "being stored. The answer to a repeated call shows whether it was.",
        CausedBy.OPERATIONS, "Repeat the same call after `Retry-After` seconds; a correlation id makes one document.",
        True),
    _answered(
        503, "reference-data-unavailable", "The reference data is out of reach",
        "The call could not be checked against the Reference Data API, and the cached reference data is too old. "
        "Nothing was stored.",
        CausedBy.OPERATIONS, "Repeat the same call after `Retry-After` seconds.", True),
    _answered(
        503, "identity-unavailable", "The issuer's keys are out of reach",
        "The token could not be checked, because the issuer's keys could not be fetched. Nothing was stored.",
        CausedBy.OPERATIONS, "Repeat the same call after `Retry-After` seconds.", True),
    _answered(
        503, "intake-unavailable", "The intake is out of reach",
        "The gateway could not reach the intake, or had no answer in time. Nothing was stored, unless the connection "
        "broke while the intake worked on the call. The answer to a repeated call shows whether it was.",
        CausedBy.OPERATIONS, "Repeat the same call after `Retry-After` seconds; a correlation id makes one document.",
        True),
    _answered(
        503, "not-ready", "The service is not ready",
        "A part that the intake needs does not answer; `errors` names it.",
        CausedBy.OPERATIONS, "Send calls to another instance, and repair the part that is named.", True),
)  # fmt: skip

_CATEGORIES = (
    Problem(
        Category.VALIDATION_ERROR, "Thunderhead will not take this payload",
        "The document's template cannot use the content: a value that it needs is missing or invalid.",
        CausedBy.CLIENT, "Correct `document_content` and hand in a new request, under a new correlation id.", False),
    Problem(
        Category.PROCESSING_ERROR, "Thunderhead failed while making the document",
        "Thunderhead accepted the payload and failed later. OMS tries again, up to the maximum of attempts.",
        CausedBy.THUNDERHEAD, "Nothing while OMS tries again. After the end, an operator finds the reason in "
        "Thunderhead's log, and retriggers the request.", True),
    Problem(
        Category.TIMEOUT_ERROR, "Thunderhead took too long",
        "Thunderhead gave up, or did not answer in time. OMS tries again.",
        CausedBy.THUNDERHEAD, "Nothing while OMS tries again. After the end, an operator retriggers the request.",
        True),
    Problem(
        Category.INTERNAL_ERROR, "Thunderhead has an internal error",
        "Thunderhead has an internal error. OMS tries again.",
        CausedBy.THUNDERHEAD, "Nothing while OMS tries again. After the end, an operator retriggers the request.",
        True),
    Problem(
        Category.CONFIGURATION_ERROR, "There is no usable configuration for this document",
        "The Reference Data API has no configuration in force (BATCH_CONFIG_ID) for this document and footer.",
        CausedBy.OPERATIONS, "Add the configuration; then an operator retriggers the request.", False),
    Problem(
        Category.STOPPED_AT_THUNDERHEAD, "Somebody halted the batch at Thunderhead",
        "A person stopped this document's batch in Thunderhead.",
        CausedBy.THUNDERHEAD, "Ask who stopped it and why. If the document is still wanted, an operator retriggers it.",
        False),
    Problem(
        Category.BATCH_UNKNOWN, "Thunderhead no longer knows the batch",
        "Thunderhead accepted the batch and later denied knowing it.",
        CausedBy.THUNDERHEAD, "An operator looks the batch up by its name at Thunderhead, then retriggers: the request "
        "is polled again.", False),
    Problem(
        Category.OVERDUE, "Thunderhead did not finish in time",
        "The batch is older than OMS_OVERDUE_SECONDS, and Thunderhead has not ended it.",
        CausedBy.THUNDERHEAD, "An operator looks at the batch in Thunderhead, then retriggers: it is polled again.",
        False),
    Problem(
        Category.DOCUMENT_ID_MISSING, "Thunderhead names no document",
        "For ten minutes, Thunderhead has said that the batch is COMPLETED, but has given no usable dmsDocumentId.",
        CausedBy.THUNDERHEAD, "An operator looks for the document at Thunderhead, then retriggers: it is polled again.",
        False),
    Problem(
        Category.WORKER_DIED, "Every worker that took the request died",
        "Several workers in a row died while they held the request. The request may be the cause.",
        CausedBy.OMS, "An operator reads the workers' logs before retriggering it.", False),
    Problem(
        Category.CANCELLED, "The request was withdrawn",
        "Its client or an operator withdrew it before it was submitted.",
        CausedBy.CLIENT, "Nothing. If the document is still wanted, hand in a new request, under a new correlation id.",
        False),
    Problem(
        Category.UNKNOWN_ERROR, "Thunderhead failed with an unknown category",
        "Thunderhead named a category that is not in this list. OMS tries again.",
        CausedBy.THUNDERHEAD, "Read the description. After the end, an operator retriggers the request.", True),
)  # fmt: skip

PROBLEMS: dict[str, Problem] = {problem.name: problem for problem in (*_ANSWERS, *_CATEGORIES)}
"""Every entry by its name, the intake's first."""
