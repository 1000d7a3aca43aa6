"""The enums of the domain, one for each concept. The schema checks the same values."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """Where a request stands, as its client sees it."""

    QUEUED = "QUEUED"  # waits for document_processing
    PROCESSING = "PROCESSING"  # held by a slice, or being generated at Thunderhead
    STOPPED = "STOPPED"  # an end: somebody withdrew it
    FAILED = "FAILED"  # an end: it failed for good, or has spent its attempts
    COMPLETED = "COMPLETED"  # an end: the document exists


ENDS = frozenset({Status.STOPPED, Status.FAILED, Status.COMPLETED})
RED_ENDS = (Status.FAILED, Status.STOPPED)  # an operator may retrigger them


class Stage(StrEnum):
    """The step at which a request stands or ended; it decides what a retrigger does."""

    ENRICHMENT = "ENRICHMENT"  # find its configuration, build its XML
    SUBMISSION = "SUBMISSION"  # submit it to Thunderhead
    GENERATION = "GENERATION"  # Thunderhead generates it
    MONITORING = "MONITORING"  # find out what became of the batch


class BatchStatus(StrEnum):
    """Where one submission to Thunderhead stands."""

    PROCESSING_OMS = "PROCESSING_OMS"  # the intent: written before the submit
    PROCESSING_THUNDERHEAD = "PROCESSING_THUNDERHEAD"  # accepted there, its id known
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    STOPPED = "STOPPED"


class Category(StrEnum):
    """What kind of error it was: a short closed list, fit for a metric's label."""

    VALIDATION_ERROR = "VALIDATION_ERROR"  # Thunderhead will never take this payload
    PROCESSING_ERROR = "PROCESSING_ERROR"  # Thunderhead failed while generating it
    TIMEOUT_ERROR = "TIMEOUT_ERROR"  # Thunderhead gave up, or never answered
    INTERNAL_ERROR = "INTERNAL_ERROR"  # an internal error of Thunderhead
    CONFIGURATION_ERROR = "CONFIGURATION_ERROR"  # no usable configuration for this document
    STOPPED_AT_THUNDERHEAD = "STOPPED_AT_THUNDERHEAD"  # somebody halted the batch there
    BATCH_UNKNOWN = "BATCH_UNKNOWN"  # Thunderhead does not know the batch it accepted
    OVERDUE = "OVERDUE"  # Thunderhead has not ended the batch in time
    DOCUMENT_ID_MISSING = "DOCUMENT_ID_MISSING"  # Thunderhead says COMPLETED, and names no document
    WORKER_DIED = "WORKER_DIED"  # every worker that took the request died
    CANCELLED = "CANCELLED"  # its client or an operator withdrew it
    UNKNOWN_ERROR = "UNKNOWN_ERROR"  # Thunderhead named a category that is not in this list


class Job(StrEnum):
    """The two jobs, by the ids of their DAGs."""

    PROCESSING = "document_processing"
    MONITORING = "document_monitoring"
