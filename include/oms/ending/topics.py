"""Topics of final events: which are allowed, and which one an event gets that ended before its enrichment.

Enrichment names a request's topic by its TOPIC_NAME configuration. A request that ended before it (cancelled, without a
usable configuration) has none yet: the Reference Data API is asked before the event is published. While that API is
out, such events wait.
"""

from __future__ import annotations

import re

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from include.oms.base import database
from include.oms.base.settings import Settings
from include.oms.outside.breaker import System
from include.oms.outside.rate_limit import health_of
from include.oms.outside.reference_data import ReferenceData
from include.oms.words.errors import NotConfigured, Unavailable

MOST_WITHOUT_ANSWER = 5  # documents in a row; then the events wait for a later run
_LEGAL = re.compile(r"[A-Za-z0-9._-]{1,249}")  # as Apache Kafka has it


def topic_fault(topic: str, settings: Settings) -> str | None:
    """Why no final event may go to ``topic``; None where it may.

    The default topics may be used always, Kafka's internal topics never. Others as ``kafka_topic_pattern`` says.
    """
    if topic in (settings.kafka_topic, settings.kafka_run_topic):
        return None
    if not _LEGAL.fullmatch(topic) or topic in (".", ".."):
        return "TOPIC_NAME is no name of a Kafka topic"
    if topic.startswith("__"):
        return f"TOPIC_NAME {topic} is an internal topic of Kafka"
    if not re.fullmatch(settings.kafka_topic_pattern, topic):
        return f"TOPIC_NAME {topic} is not allowed by OMS_KAFKA_TOPIC_PATTERN"
    return None


async def name_topics(connection: AsyncConnection[DictRow], reference_data: ReferenceData, settings: Settings) -> int:
    """Give every event that waits without a topic its own; how many.

    Where the configuration names no usable topic, that is the default topic. A document for which the Reference Data
    API has no answer does not hold up the others: Unavailable is raised at the end, or after several in a row. It is
    raised at once while that API is paused or out.
    """
    named, in_a_row, unavailable = 0, 0, None
    if why_not := (await health_of(connection, System.REFERENCE_DATA)).why_not:
        raise Unavailable(why_not)
    for row in await database.rows(connection, "documents_without_topic"):
        try:
            configuration = await reference_data.configuration(row["document_name"], row["footer_id"])
        except NotConfigured:
            configuration = {}
        except Unavailable as error:
            unavailable, in_a_row = error, in_a_row + 1
            if in_a_row == MOST_WITHOUT_ANSWER:
                break
            continue
        in_a_row = 0
        topic = configuration.get("TOPIC_NAME") or settings.kafka_topic
        if topic_fault(topic, settings):
            topic = settings.kafka_topic
        named += await database.execute(connection, "name_topics", topic=topic, **row)
    if unavailable:
        raise unavailable
    return named
