"""Verdicts: the outcome of a poll of a batch."""

from __future__ import annotations

from time import monotonic

from msgspec import Struct, field
from msgspec.structs import replace

from include.oms.base.settings import Settings
from include.oms.outside.thunderhead import Batch, GenerationError
from include.oms.slices.recording import Tried
from include.oms.words.model import Category, Stage
from include.oms.words.state_machine import Outcome, own_failure

MISSES_BEFORE_UNKNOWN_SECONDS = 60.0  # a batch just submitted may not be listed yet
DOCUMENT_ID_SECONDS = 600.0  # longest wait for the document id of a batch that is COMPLETED without one


class HeldBatch(Struct, frozen=True):
    """A batch in the hands of this worker."""

    batch_key: int
    request_id: int
    batch_name: str
    thunderhead_batch_id: int
    polls: int
    spent: int
    takeovers: int  # workers that died in a row while they held it
    age_seconds: float  # since its submit, at ``seen_at``
    due_in_seconds: float = 0.0  # from ``seen_at`` to its next poll
    asked_seconds: float = 0.0  # in which it was polled, without pauses and outages
    unasked_seconds: float = 0.0  # since the last answer about it, at ``seen_at``
    missing_seconds: float | None = None  # since its first COMPLETED without a document id; None: there was none
    seen_at: float = field(default_factory=monotonic)

    @property
    def due_at(self) -> float:
        """The time of its next poll, by time.monotonic."""
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
        """Seconds in which it was polled, including this poll. Long gaps (pauses, outages) count little."""
        return self.asked_seconds + min(self.unasked_seconds, 2 * settings.max_poll_seconds)

    def again_in(self, seconds: float, *, was_answered: bool, settings: Settings) -> HeldBatch:
        """The same batch after a poll, with its next poll in ``seconds``."""
        if not was_answered:
            return replace(self, due_in_seconds=seconds)
        return replace(
            self, due_in_seconds=seconds, polls=self.polls + 1, asked_seconds=self.asked_for_seconds(settings),
            unasked_seconds=0.0, takeovers=0,
        )  # fmt: skip


class Verdict(Tried, frozen=True):
    """The outcome of one poll of one batch."""

    batch: HeldBatch
    dms_document_id: int | None = None
    wait_seconds: float | None = None  # before the next poll, where Thunderhead asks for it

    @property
    def request_id(self) -> int:
        """The request of the batch."""
        return self.batch.request_id


def verdict_of(batch: HeldBatch, found: Batch | None, settings: Settings) -> Verdict | None:
    """The verdict on Thunderhead's answer. None if the batch failed: its errors must be read first.

    An answer that does not fit the batch (another name, an unknown status) counts as none: the batch is polled again.
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
    """The verdict on COMPLETED without a document id: poll again, for ``DOCUMENT_ID_SECONDS`` at most."""
    missing_seconds = batch.missing_seconds or 0.0
    if missing_seconds >= DOCUMENT_ID_SECONDS:
        return _monitoring_failure(
            batch, Category.DOCUMENT_ID_MISSING,
            f"COMPLETED in Thunderhead for {missing_seconds:.0f} s, and still no dmsDocumentId that can be used",
        )  # fmt: skip
    waiting = replace(batch, missing_seconds=missing_seconds)
    return Verdict(waiting, stage=Stage.GENERATION, outcome=Outcome.GENERATING)


def failed_verdict(batch: HeldBatch, errors: list[GenerationError], settings: Settings) -> Verdict:
    """The verdict on a failed batch, by its errors at Thunderhead; the first one decides."""
    first = errors[0] if errors else GenerationError(Category.UNKNOWN_ERROR, "Thunderhead gives no reason")
    more = "".join(f"; {error.category}: {error.description}" for error in errors[1:])
    outcome = own_failure(Stage.GENERATION, first.category, spent=batch.spent, max_attempts=settings.max_attempts)
    return Verdict(
        batch, stage=Stage.GENERATION, outcome=outcome, category=first.category, description=first.description + more
    )


def deadly_verdict(batch: HeldBatch) -> Verdict:
    """The verdict on a batch whose workers died again and again. A person must look at it before it is polled again."""
    died = f"{batch.takeovers} workers in a row died while they held the batch of this request"
    return _monitoring_failure(batch, Category.WORKER_DIED, died)


def _monitoring_failure(batch: HeldBatch, category: Category, description: str) -> Verdict:
    return Verdict(
        batch, stage=Stage.MONITORING, outcome=Outcome.FAILED_PERMANENT, category=category, description=description
    )


def next_poll_seconds(age_seconds: float, settings: Settings) -> float:
    """Seconds until the next poll: a quarter of the batch's age, between first_poll_seconds and max_poll_seconds.

    A batch that is 2 s old is polled after 0.5 s, one that is an hour old after a minute.
    """
    return min(max(age_seconds / 4, settings.first_poll_seconds), settings.max_poll_seconds)
