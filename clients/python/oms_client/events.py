"""Final events: each end once, and of each request the highest revision."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from oms_client.model import FinalEvent

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Message

POLL_SECONDS = 1.0
TABLE = """CREATE TABLE IF NOT EXISTS ends (
    request_id INTEGER PRIMARY KEY, revision INTEGER NOT NULL, event_id TEXT NOT NULL, status TEXT NOT NULL)"""
KEEP = """
    INSERT INTO ends VALUES (:request_id, :revision, :event_id, :status)
    ON CONFLICT (request_id) DO UPDATE
    SET revision = excluded.revision, event_id = excluded.event_id, status = excluded.status
    WHERE excluded.revision > ends.revision"""

log = logging.getLogger("oms_client")


class KeepsEnds(Protocol):
    """The memory of a consumer. `Ends` is one in a file; a table of your own database is another."""

    def is_news(self, event: FinalEvent) -> bool:
        """Whether no event of this request with this or a higher revision is kept."""

    def keep(self, event: FinalEvent) -> None:
        """Keep it, unless a higher revision is kept."""


class Ends:
    """The last end of each request, in an SQLite file."""

    def __init__(self, file: str | Path) -> None:
        self._db = sqlite3.connect(file, isolation_level=None)
        self._db.execute(TABLE)

    def is_news(self, event: FinalEvent) -> bool:
        """Whether no event of this request with this or a higher revision is kept."""
        kept = "SELECT revision FROM ends WHERE request_id = ? AND revision >= ?"
        return self._db.execute(kept, (event["data"]["request_id"], event["data"]["revision"])).fetchone() is None

    def keep(self, event: FinalEvent) -> None:
        """Keep it, unless a higher revision is kept."""
        self._db.execute(KEEP, {**event["data"], "event_id": event["id"]})

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def news(consumer: Consumer, ends: KeepsEnds, *, source_system: str | None = None) -> Iterator[FinalEvent]:
    """Each event that is news, without an end. All source systems share the topic; name yours to get no others.

    An event is kept, and its offset committed, when the next one is asked for. So an event whose handling fails comes
    again after a restart. Events that have been seen, and lower revisions that arrive late, are dropped. The consumer
    must not commit by itself (``enable.auto.commit``).
    """
    while True:
        message = consumer.poll(POLL_SECONDS)
        if message is None:
            continue
        if message.error():
            log.warning("not read: %s", message.error())
            continue
        event = _event(message)
        if event and source_system in (None, event["data"]["source_system"]) and ends.is_news(event):
            yield event
            ends.keep(event)
        consumer.commit(message=message)


def _event(message: Message) -> FinalEvent | None:
    """The event of a message; None if it is none."""
    try:
        event: Any = json.loads(message.value() or b"")
        data = event["data"]
        texts, numbers = (event["id"], data["source_system"], data["status"]), (data["request_id"], data["revision"])
        if all(isinstance(it, str) for it in texts) and all(isinstance(it, int) for it in numbers):
            return cast(FinalEvent, event)
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    log.warning("no final event at offset %s of partition %s", message.offset(), message.partition())
    return None
