"""What a poll of Thunderhead says of a batch, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from time import monotonic

from include.oms.base.settings import Settings
from include.oms.outside.thunderhead import Batch, GenerationError
from include.oms.slices.recording import Tried
from include.oms.words.model import Category, Stage
from include.oms.words.state_machine import Outcome, own_failure

MISSES_BEFORE_UNKNOWN_SECONDS = 60.0  # a batch just submitted may not be listed yet
DOCUMENT_ID_SECONDS = 600.0  # longest wait for the document id of a batch that is COMPLETED without one


@dataclass(frozen=True)
class HeldBatch:
    """A batch in the hands of this worker."""

    batch_key: int
    request_id: int
    batch_name: str
    thunderhead_batch_id: int
    polls: int
    spent: int
    age_seconds: float  # since it was submitted, at the time of ``seen_at``
    due_in_seconds: float = 0.0  # from ``seen_at`` to its next poll
    asked_seconds: float = 0.0  # in which Thunderhead was asked about it, pauses and outages left out
    unasked_seconds: float = 0.0  # since it last answered, at the time of ``seen_at``
    missing_seconds: float | None = None  # since it said COMPLETED without a document id; None: it has not
    seen_at: float = field(default_factory=monotonic)

    @property
    def due_at(self) -> float:
        """When it is to be asked about, by time.monotonic."""
        return self.seen_at + self.due_in_seconds

    def as_of_now(self) -> HeldBatch:
        """The same batch at the time of a poll."""
        now = monotonic()
        passed = now - self.seen_at
        return replace(
            self, age_seconds=self.age_seconds + passed, due_in_seconds=0.0, seen_at=now,
            unasked_seconds=self.unasked_seconds + passed,
            missing_seconds=None if self.missing_seconds is None else self.missing_seconds + passed,
        )  # fmt: skip

    def asked_for_seconds(self, settings: Settings) -> float:
        """How long Thunderhead has been asked about it, this poll included. A long gap was a pause or an outage."""
        return self.asked_seconds + min(self.unasked_seconds, 2 * settings.max_poll_seconds)

    def again_in(self, seconds: float, *, was_answered: bool, settings: Settings) -> HeldBatch:
        """The same batch after a poll, to be asked about once more."""
        if not was_answered:
            return replace(self, due_in_seconds=seconds)
        return replace(
            self, due_in_seconds=seconds, polls=self.polls + 1, asked_seconds=self.asked_for_seconds(settings),
            unasked_seconds=0.0,
        )  # fmt: skip


@dataclass(frozen=True)
class Verdict(Tried):
    """What one poll of one batch came to."""

    batch: HeldBatch
    dms_document_id: int | None = None
    wait_seconds: float | None = None  # before the next poll, where Thunderhead asks for it

    @property
    def request_id(self) -> int:
        """Whose batch it was."""
        return self.batch.request_id


def verdict_of(batch: HeldBatch, found: Batch | None, settings: Settings) -> Verdict | None:
    """What Thunderhead's answer means; None where it failed, and the reasons have yet to be asked for.

    An answer that makes no sense for this batch (another name, a status nobody knows) is as good as none: it is asked
    again.
    """
    if found is None and batch.age_seconds > MISSES_BEFORE_UNKNOWN_SECONDS:
        return _monitoring_failure(batch, Category.BATCH_UNKNOWN, "Thunderhead does not know the batch it accepted")
    if found is not None and found.batch_name == batch.batch_name:
        match found.status:
            case "COMPLETED" if found.dms_document_id is None:
                return _without_document_id(batch)
            case "COMPLETED":
                return Verdict(
                    batch, stage=Stage.GENERATION, outcome=Outcome.COMPLETED, dms_document_id=found.dms_document_id
                )
            case "STOPPED":
                return Verdict(
                    batch, stage=Stage.GENERATION, outcome=Outcome.STOPPED, category=Category.STOPPED_AT_THUNDERHEAD,
                    description="somebody halted the batch inside Thunderhead",
                )  # fmt: skip
            case "FAILED":
                return None
    if batch.asked_for_seconds(settings) > settings.overdue_seconds:
        waited = f"not ended in Thunderhead {batch.age_seconds / 3600:.1f} hours after it was submitted"
        return _monitoring_failure(batch, Category.OVERDUE, waited)
    return Verdict(batch, stage=Stage.GENERATION, outcome=Outcome.GENERATING)


def _without_document_id(batch: HeldBatch) -> Verdict:
    """COMPLETED, but no document can be found by that answer: it is asked again for a bounded time."""
    missing_seconds = batch.missing_seconds or 0.0
    if missing_seconds >= DOCUMENT_ID_SECONDS:
        return _monitoring_failure(
            batch, Category.DOCUMENT_ID_MISSING,
            f"COMPLETED in Thunderhead for {missing_seconds:.0f} s, and still no dmsDocumentId that can be used",
        )  # fmt: skip
    waiting = replace(batch, missing_seconds=missing_seconds)
    return Verdict(waiting, stage=Stage.GENERATION, outcome=Outcome.GENERATING)


def failed_verdict(batch: HeldBatch, errors: list[GenerationError], settings: Settings) -> Verdict:
    """A batch that failed, by the reasons that Thunderhead gives; the first one decides."""
    first = errors[0] if errors else GenerationError(Category.UNKNOWN_ERROR, "Thunderhead gives no reason")
    more = "".join(f"; {error.category}: {error.description}" for error in errors[1:])
    outcome = own_failure(Stage.GENERATION, first.category, spent=batch.spent, max_attempts=settings.max_attempts)
    return Verdict(
        batch, stage=Stage.GENERATION, outcome=outcome, category=first.category, description=first.description + more
    )


def _monitoring_failure(batch: HeldBatch, category: Category, description: str) -> Verdict:
    return Verdict(
        batch, stage=Stage.MONITORING, outcome=Outcome.FAILED_PERMANENT, category=category, description=description
    )


def next_poll_seconds(age_seconds: float, settings: Settings) -> float:
    """When to ask again: after a quarter of the batch's age, within first_poll_seconds and max_poll_seconds.

    A document that takes 2 s is asked about every 0.5 s, one that takes an hour every minute.
    """
    return min(max(age_seconds / 4, settings.first_poll_seconds), settings.max_poll_seconds)
