"""Publishing final events while a slice is worked: each end goes out as soon as it is committed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Self

from psycopg import Connection
from psycopg.rows import DictRow

from include.jobs import doors
from include.jobs.hooks import FinalEventsHook
from include.oms.base import database
from include.oms.base.places import places_of
from include.oms.base.queries import query
from include.oms.base.settings import Settings
from include.oms.ending import outbox
from include.oms.ending.topics import name_topics
from include.oms.words.errors import Unavailable

if TYPE_CHECKING:
    from confluent_kafka import Producer

log = logging.getLogger("oms")


class Publisher:
    """One connection and one producer for a whole task, both made when first needed. A context manager."""

    def __init__(self, url: str, settings: Settings) -> None:
        self._url = url
        self._settings = settings
        self._connection: Connection[DictRow] | None = None
        self._producer: Producer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._connection is not None:
            self._connection.close()

    def producer(self) -> Producer:
        """The producer; making it takes some tenths of a second, most of which pass in the background."""
        self._producer = self._producer or FinalEventsHook().get_producer()
        return self._producer

    def publish(self) -> None:
        """Publish all waiting events, also those of earlier runs.

        A broker that is out is nobody's failure: the events wait, and the next run tries again.
        Raises psycopg.Error.
        """
        if self._connection is None or self._connection.closed:  # the server may close one that is idle
            self._connection = database.connect_blocking(self._url, self._settings, application_name="publisher")
        if self._connection.execute(query("documents_without_topic")).fetchone():
            try:
                asyncio.run(self._name_topics())
            except Exception as error:  # noqa: BLE001  # a Connection may be missing; events that have a topic go out
                why, where = type(error).__name__, ", ".join(places_of(error))
                log.error("some events wait for the name of their topic: %s at %s", why, where)
        done = outbox.publish_waiting_events(self._connection, self.producer, self._settings)
        if done.producer_is_broken:  # librdkafka's fatal errors: this one sends nothing any more
            self._producer = None
        if done.acknowledged:
            log.info("published %d final events", done.acknowledged)
        if done.waiting or done.set_aside:
            log.warning("%d final events wait, %d are set aside: %s", done.waiting, done.set_aside, done.reason)

    async def _name_topics(self) -> None:
        """Name the topics of what ended before enrichment. While the Reference Data API is paused or out, they wait."""
        async with (
            await database.connect(self._url, self._settings, application_name="topics") as connection,
            doors.reference_data(self._settings, caller="topics") as reference_data,
        ):
            try:
                await name_topics(connection, reference_data, self._settings)
            except Unavailable as error:
                log.warning("some events wait for the name of their topic: Reference Data API: %s", error)


@asynccontextmanager
async def publishing_ends(url: str, settings: Settings, *, soon: bool) -> AsyncIterator[Callable[[], None]]:
    """What the block is to call after each commit that ended requests: they are published meanwhile.

    So is what an earlier run could not publish, at the latest at the end. ``soon``: there will be some, so the producer
    is made at once.
    """
    has_ends, is_over = asyncio.Event(), False

    async def publish_meanwhile() -> None:
        with Publisher(url, settings) as publisher:
            if soon:
                with suppress(Exception):  # a Connection that no producer can be made of: publish() says so
                    await asyncio.to_thread(publisher.producer)
            while await has_ends.wait():
                has_ends.clear()
                try:
                    await asyncio.to_thread(publisher.publish)
                except Exception as error:  # noqa: BLE001  # the ends are committed: the next run publishes them
                    why, where = type(error).__name__, ", ".join(places_of(error))  # its text may quote an event
                    log.error("final events could not be published now: %s at %s", why, where)
                if is_over and not has_ends.is_set():
                    return

    publishing_task = asyncio.create_task(publish_meanwhile())
    try:
        yield has_ends.set
    finally:
        is_over = True
        has_ends.set()
        await publishing_task
