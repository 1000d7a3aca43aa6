"""Ways to ask a part whether it is ready. Each returns, or raises NotReady with the reason."""

from __future__ import annotations

import httpx
import psycopg
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from include.local.part import NotReady

PATIENCE_SECONDS = 2


def http_answers(url: str, patience_seconds: float = PATIENCE_SECONDS) -> None:
    """A GET is answered with success."""
    try:
        answer = httpx.get(url, timeout=patience_seconds)
    except httpx.HTTPError as error:
        raise NotReady(f"{url}: {error}") from error
    if not answer.is_success:
        raise NotReady(f"{url} answers {answer.status_code}: {answer.text[:300]}")


def postgres_answers(url: str) -> None:
    """A connection can be opened."""
    try:
        psycopg.connect(url, connect_timeout=PATIENCE_SECONDS).close()
    except psycopg.OperationalError as error:
        raise NotReady(str(error).strip()) from error


def kafka_answers(client: AdminClient) -> None:
    """The broker tells its metadata."""
    try:
        client.list_topics(timeout=PATIENCE_SECONDS)
    except KafkaException as error:
        raise NotReady(str(error)) from error
