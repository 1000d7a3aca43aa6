"""Submission: write the intent, then submit, with many calls in flight. No document is submitted twice.

Submitting is not idempotent at Thunderhead. So the batch's name is committed before the submit. A worker that finds a
name that may have been submitted looks it up first, and adopts the batch if Thunderhead has it. A request that met an
outage is tried again in the same slice if its wait ends while the worker keeps the slice open.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from math import inf
from time import monotonic

from msgspec.structs import replace

from include.oms.base.chunks import chunks
from include.oms.base.traces import span_of
from include.oms.outside.thunderhead import Thunderhead
from include.oms.processing.recording import record, wait_seconds
from include.oms.processing.tries import Document, HeldRequest, TryResult, failed, not_called, unavailable, unsure
from include.oms.slices.delay_queue import DelayQueue
from include.oms.slices.hold import Hold
from include.oms.words.errors import LeaseTooShort, NotInTime, OutcomeUnknown, Rejected, Unavailable
from include.oms.words.model import Category, Stage
from include.oms.words.state_machine import Outcome

INTENTS_A_COMMIT = 100  # small, so that an intent is submitted soon after it is written
RECORD_EVERY_SECONDS = 0.1  # the answers of this time are written in one statement
TRIES_IN_A_SLICE = 4  # of one document; after that its request is put back
MOST_WAITING_CHARACTERS = 64 * 1024 * 1024  # of XML that waits for another try; more is put back
MEANWHILE = "the worker ended before it came to this request"


class Submission:
    """One worker's submits."""

    def __init__(self, hold: Hold, thunderhead: Thunderhead) -> None:
        self._hold = hold
        self._settings = hold.settings
        self._thunderhead = thunderhead
        self._queue: asyncio.Queue[Document | None] = asyncio.Queue(maxsize=INTENTS_A_COMMIT)
        self._waiting: DelayQueue[Document] = DelayQueue()
        self._results: list[TryResult] = []
        self._busy = self._waiting_characters = 0

    @property
    def in_hands(self) -> int:
        """Number of documents that are handed over and not recorded yet, including those that wait for a next try."""
        return self._busy + len(self._waiting) + len(self._results)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Submit what is handed over while the block runs. At its end, put back what still waits."""
        finished = asyncio.Event()
        async with asyncio.TaskGroup() as recording:
            recording.create_task(self._record_until(finished))
            async with asyncio.TaskGroup() as working:
                for _ in range(self._settings.concurrency):
                    working.create_task(self._submit_from_queue())
                yield
                for document in self._waiting.clear():
                    self._waiting_characters = 0
                    self._results.append(not_called(document, MEANWHILE))
                for _ in range(self._settings.concurrency):
                    await self._queue.put(None)
            finished.set()

    async def hand_over(self, documents: Sequence[Document]) -> None:
        """Write their intents and queue them; returns when the last of them is queued."""
        for chunk in chunks(documents, INTENTS_A_COMMIT):
            if (closed_for := self._thunderhead.door.closed_for) is not None:  # no intent for what is not submitted
                wait = None if closed_for == inf else closed_for  # nobody knows when a pause ends
                for document in chunk:
                    self._keep_or_put_back(document, not_called(document, "Thunderhead is not called now", wait))
            elif self._hold.time.seconds_left <= 0:
                self._results += [not_called(document, MEANWHILE) for document in chunk]
            else:
                await self._enqueue(await self._with_intents(chunk))

    async def hand_over_again(self) -> None:
        """Queue the documents whose wait is over. While Thunderhead is out, only one: it may be the probe."""
        door = self._thunderhead.door
        if len(self._waiting) and door.closed_for is not None:
            await door.look()
        if door.closed_for == 0 and self._busy:
            return
        most = INTENTS_A_COMMIT if door.closed_for is None else 1 if door.closed_for == 0 else 0
        due = self._waiting.due(most)
        self._waiting_characters -= sum(len(document.xml) for document in due)
        await self.hand_over_now(due)

    async def hand_over_now(self, documents: Sequence[Document]) -> None:
        """Queue documents, with an intent for those that have none."""
        await self._enqueue([it for it in documents if it.batch_name])
        if fresh := [it for it in documents if not it.batch_name]:
            await self._enqueue(await self._with_intents(fresh))

    async def _enqueue(self, documents: Sequence[Document]) -> None:
        for document in documents:
            self._busy += 1
            await self._queue.put(document)

    async def _with_intents(self, documents: Sequence[Document]) -> list[Document]:
        """Write intents and return the documents with their batch names. Drop those that the worker no longer holds."""
        in_doubt = [document for document in documents if document.in_doubt]
        fresh = {document.request.request_id: document for document in documents if not document.in_doubt}
        if not fresh:
            return in_doubt
        intents = await self._hold.rows(
            "write_intents",
            request_ids=list(fresh),
            config_ids=[document.config_id for document in fresh.values()],
            topics=[document.topic for document in fresh.values()],
            xmls=[document.xml for document in fresh.values()],
            prefix=self._settings.batch_name_prefix,
        )
        return in_doubt + [replace(fresh[row["request_id"]], batch_name=row["batch_name"]) for row in intents]

    async def _submit_from_queue(self) -> None:
        while (document := await self._queue.get()) is not None:
            request = document.request
            with span_of("submit", request_id=request.request_id, traceparent=request.traceparent):
                result = await self._submit(document)
            self._busy -= 1
            if result.outcome in (Outcome.UNAVAILABLE, Outcome.UNSURE):
                self._keep_or_put_back(document, result)
            else:
                self._results.append(result)

    async def _submit(self, document: Document) -> TryResult:
        """Submit one document, unless Thunderhead has it already."""
        request, looks_up = document.request, document.in_doubt
        try:
            if looks_up and (found := await self._thunderhead.find_by_name(document.batch_name)):
                return TryResult(
                    request, stage=Stage.SUBMISSION, outcome=Outcome.SUBMITTED, batch_id=found.batch_id, adopted=True
                )
            if looks_up and request.spent >= self._settings.max_attempts:
                return self._never_answered(request)
            looks_up = False
            batch_id = await self._submit_once(document)
        except Rejected as error:
            return failed(
                request, Stage.SUBMISSION, Category.VALIDATION_ERROR, error.with_what_was_said,
                max_attempts=self._settings.max_attempts,
            )  # fmt: skip
        except (NotInTime, LeaseTooShort) as error:
            return not_called(replace(document, in_doubt=looks_up), str(error))
        except Unavailable as error:
            return unavailable(request, Stage.SUBMISSION, error, in_doubt=None if looks_up else False)
        except OutcomeUnknown as error:
            return unsure(request, error)
        return TryResult(request, stage=Stage.SUBMISSION, outcome=Outcome.SUBMITTED, batch_id=batch_id)

    def _keep_or_put_back(self, document: Document, result: TryResult) -> None:
        """Keep the document for another try in this slice if its wait ends in time; else put its request back.

        An unsure result is recorded in both cases, so that an operator sees what happened.
        """
        wait = wait_seconds(result, self._settings, tries=document.tries)
        is_kept = self._hold.time.keeps_for(wait) and document.tries < TRIES_IN_A_SLICE and result.may_be_kept
        is_kept = is_kept and self._waiting_characters + len(document.xml) <= MOST_WAITING_CHARACTERS
        if is_kept:
            self._waiting_characters += len(document.xml)
            looks_up = document.in_doubt if result.in_doubt is None else result.in_doubt
            again = replace(document, in_doubt=looks_up, tries=document.tries + result.was_called)
            self._waiting.put(again, monotonic() + wait)
        if not is_kept or result.outcome is Outcome.UNSURE:
            self._results.append(replace(result, is_kept=is_kept, wait_seconds=wait))

    def _never_answered(self, request: HeldRequest) -> TryResult:
        """End or retry a request that Thunderhead does not have, and whose submits alone get no answer."""
        reason = f"none of {request.spent} submits got an answer that can be read, while others did"
        return failed(
            request, Stage.SUBMISSION, Category.INTERNAL_ERROR, reason, max_attempts=self._settings.max_attempts
        )

    async def _submit_once(self, document: Document) -> int:
        """Submit, if the lease certainly outlives the call. So a later worker looks the name up after the submit."""
        if not document.xml:  # an intent in doubt that was found nowhere, retriggered after its retention
            raise Rejected("its content was erased at the end of its retention")

        def lease_outlives_it() -> None:
            if not self._hold.lease.holds_for(self._settings.submit_timeout_seconds):
                raise LeaseTooShort("the worker's lease would not outlive a submit")

        return await self._thunderhead.submit(
            batch_name=document.batch_name, batch_config_id=document.config_id, xml=document.xml,
            document_type=document.request.document_type, source_system=document.request.source_system,
            before=lease_outlives_it,
        )  # fmt: skip

    async def _record_until(self, finished: asyncio.Event) -> None:
        while not finished.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(finished.wait(), RECORD_EVERY_SECONDS)
            await self._record()
        await self._record()  # results that came in during the last write

    async def _record(self) -> None:
        results, self._results = self._results, []
        await record(self._hold, results)
