"""Submission: the intent, then the submit, with many calls in flight; never twice for one document.

Submitting is not idempotent at Thunderhead. So the batch's name is committed before the submit; a worker that finds a
name that may have been submitted looks it up first, and adopts what is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace
from time import monotonic

from include.oms.base.traces import span_of
from include.oms.outside.adaptive_rate import AdaptiveRate
from include.oms.outside.breaker import Breaker, System
from include.oms.outside.rate_limit import calls_per_second, places_in_line
from include.oms.outside.thunderhead import Thunderhead
from include.oms.processing.recording import record
from include.oms.processing.work import Document, HeldRequest, Result, failed, unavailable, unsure
from include.oms.slices.hold import Hold
from include.oms.words.errors import Limited, OutcomeUnknown, Rejected, Unavailable
from include.oms.words.model import Category, Stage
from include.oms.words.state_machine import Outcome

INTENTS_A_COMMIT = 100  # few enough that an intent is submitted soon after it is written
AT_ONCE_SECONDS = 0.2  # where there is a rate: so long a time's worth of calls goes out together
RECORD_EVERY_SECONDS = 0.1  # answers that come together are written together


class Submission:
    """One worker's submits."""

    def __init__(self, hold: Hold, thunderhead: Thunderhead, breaker: Breaker) -> None:
        self._hold = hold
        self._connection = hold.connection
        self._settings = hold.settings
        self._thunderhead = thunderhead
        self._breaker = breaker
        self._rate = AdaptiveRate(
            System.THUNDERHEAD, slow_seconds=hold.settings.submit_timeout_seconds / 3, finds_the_rate=True
        )
        self._results: list[Result] = []

    async def submit_all(self, prepared: AsyncIterator[Sequence[Document]], submitters: int) -> None:
        """Every document to Thunderhead, and every result into the database. Stops early where the breaker opens.

        ``submitters`` calls are in flight at most.
        """
        queue: asyncio.Queue[Document | None] = asyncio.Queue(maxsize=INTENTS_A_COMMIT)
        finished = asyncio.Event()
        async with asyncio.TaskGroup() as recording:
            recording.create_task(self._record_until(finished))
            async with asyncio.TaskGroup() as working:
                working.create_task(self._feed_all(queue, prepared, submitters))
                for _ in range(submitters):
                    working.create_task(self._submit_from(queue))
            finished.set()

    async def _feed_all(
        self, queue: asyncio.Queue[Document | None], prepared: AsyncIterator[Sequence[Document]], submitters: int
    ) -> None:
        async for documents in prepared:
            await self._feed(queue, documents)
        for _ in range(submitters):
            await queue.put(None)

    async def _feed(self, queue: asyncio.Queue[Document | None], documents: Sequence[Document]) -> None:
        fed = 0
        while fed < len(documents):
            await self._breaker.heed(self._connection)
            rate = await calls_per_second(self._connection, System.THUNDERHEAD)
            size = INTENTS_A_COMMIT if rate is None else min(max(int(rate * AT_ONCE_SECONDS), 1), INTENTS_A_COMMIT)
            chunk = documents[fed : fed + size]
            if rate is not None and not self._breaker.is_open:
                await self._wait_in_line(chunk)
            for document in await self._with_intents(chunk):
                await queue.put(document)
            fed += size

    async def _wait_in_line(self, documents: Sequence[Document]) -> None:
        """Until the last of them may be called."""
        types = [document.request.document_type for document in documents]
        await asyncio.sleep(max(await places_in_line(self._connection, System.THUNDERHEAD, types)))

    async def _with_intents(self, documents: Sequence[Document]) -> list[Document]:
        """The documents under their batches' names; what this worker no longer holds is dropped."""
        in_doubt = [document for document in documents if document.in_doubt]
        fresh = {document.request.request_id: document for document in documents if not document.in_doubt}
        if self._breaker.is_open or not fresh:  # no intent for what will not be submitted
            return list(documents)
        intents = await self._hold.rows(
            "write_intents",
            request_ids=list(fresh),
            config_ids=[document.config_id for document in fresh.values()],
            topics=[document.topic for document in fresh.values()],
            xmls=[document.xml for document in fresh.values()],
            prefix=self._settings.batch_name_prefix,
        )
        return in_doubt + [replace(fresh[row["request_id"]], batch_name=row["batch_name"]) for row in intents]

    async def _submit_from(self, queue: asyncio.Queue[Document | None]) -> None:
        while (document := await queue.get()) is not None:
            request = document.request
            with span_of("submit", request_id=request.request_id, traceparent=request.traceparent):
                result = await self._submit(document)
            self._results.append(result)  # only now: the list is a new one after every write

    async def _submit(self, document: Document) -> Result:
        """Hand one document over, unless it is there already."""
        request, in_doubt = document.request, document.in_doubt
        if self._breaker.is_open:
            error = Unavailable(self._breaker.reason)
            return unavailable(request, Stage.SUBMISSION, error, in_doubt=None if in_doubt else False)
        try:
            if in_doubt and (found := await self._thunderhead.find_by_name(document.batch_name)):
                self._breaker.answered()
                return Result(
                    request, stage=Stage.SUBMISSION, outcome=Outcome.SUBMITTED, batch_id=found.batch_id, adopted=True
                )
            if in_doubt and request.spent >= self._settings.max_attempts:
                return self._never_answered(request)
            in_doubt = False
            await self._rate.wait()
            began = monotonic()
            batch_id = await self._submit_once(document)
            self._rate.answered(monotonic() - began)
        except Rejected as error:
            self._breaker.answered()
            return failed(
                request, Stage.SUBMISSION, Category.VALIDATION_ERROR, str(error),
                max_attempts=self._settings.max_attempts,
            )  # fmt: skip
        except Limited as error:
            self._breaker.answered()
            self._rate.limited(error.retry_after or 0.0)
            return unavailable(request, Stage.SUBMISSION, error, in_doubt=None if in_doubt else False)
        except Unavailable as error:
            self._breaker.failed(str(error), error.retry_after)
            return unavailable(request, Stage.SUBMISSION, error, in_doubt=None if in_doubt else False)
        except OutcomeUnknown as error:
            self._breaker.failed(str(error), error.retry_after)
            return unsure(request, error)
        self._breaker.answered()
        return Result(request, stage=Stage.SUBMISSION, outcome=Outcome.SUBMITTED, batch_id=batch_id)

    def _never_answered(self, request: HeldRequest) -> Result:
        """It is not there, and its submits alone get no answer while others do."""
        reason = f"none of {request.spent} submits got an answer that can be read, while others did"
        return failed(
            request, Stage.SUBMISSION, Category.INTERNAL_ERROR, reason, max_attempts=self._settings.max_attempts
        )

    async def _submit_once(self, document: Document) -> int:
        """Submit while the lease surely outlives the call: a worker that takes over looks the name up after it."""
        if not document.xml:  # an intent in doubt that was found nowhere, retriggered after its retention
            raise Rejected("its content was erased at the end of its retention")
        if not self._hold.lease.holds_for(self._settings.submit_timeout_seconds):
            raise Unavailable("the worker's lease would not outlive a submit")
        return await self._thunderhead.submit(
            batch_name=document.batch_name, batch_config_id=document.config_id, xml=document.xml
        )

    async def _record_until(self, finished: asyncio.Event) -> None:
        while not finished.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(finished.wait(), RECORD_EVERY_SECONDS)
            await self._record()
        await self._record()  # what came in during the last write
        await self._rate.share(self._connection, at_the_end=True)

    async def _record(self) -> None:
        results, self._results = self._results, []
        await self._rate.share(self._connection)
        await record(self._hold, results)
