"""Naming the topic of ends that came before enrichment: a cancelled request, one without a configuration.

Enrichment names a request's topic by its TOPIC_NAME configuration. Who ended before it has none yet, so it is asked
for before the event is published; while the Reference Data API is out, such an event waits.
"""

from __future__ import annotations

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from include.oms.base import database
from include.oms.outside.reference_data import ReferenceData


async def name_topics(connection: AsyncConnection[DictRow], reference_data: ReferenceData, default_topic: str) -> int:
    """Give every event that waits without a topic its own; how many. Raises Unavailable."""
    named = 0
    for row in await database.rows(connection, "documents_without_topic"):
        configuration = await reference_data.configuration(row["document_name"], row["footer_id"])
        topic = configuration.get("TOPIC_NAME") or default_topic
        named += await database.execute(connection, "name_topics", topic=topic, **row)
    return named
