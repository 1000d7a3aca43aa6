"""The topic of an end that came before enrichment."""

from __future__ import annotations

import pytest

from include.oms.base.settings import Settings
from include.oms.ending.topics import name_topics
from include.oms.testing.system import Oms
from include.oms.words.errors import Unavailable


async def ended_at_enrichment(oms: Oms) -> None:
    oms.reference_data.unknown_documents.add("IVBRKCOM")
    await oms.queued(document_name="IVBRKCOM")
    await oms.run_processing()


async def test_it_is_asked_for_before_the_event_is_published(oms: Oms) -> None:
    await ended_at_enrichment(oms)
    assert (await oms.events())[0]["topic"] is None

    await name_topics(oms.connection, oms.reference_data_client, Settings(kafka_topic="the-default"))

    assert (await oms.events())[0]["topic"] == "the-default"


async def test_the_event_waits_while_reference_data_is_out(oms: Oms) -> None:
    await ended_at_enrichment(oms)
    oms.reference_data_client._known.clear()
    oms.reference_data.is_down = True
    with pytest.raises(Unavailable):
        await name_topics(oms.connection, oms.reference_data_client, Settings(kafka_topic="the-default"))
    assert (await oms.events())[0]["topic"] is None


async def test_a_pause_of_the_reference_data_is_obeyed(oms: Oms) -> None:
    await ended_at_enrichment(oms)
    oms.reference_data_client._known.clear()
    await oms.connection.execute(
        "UPDATE outside_systems SET paused_at = now(), paused_by = 'ann' WHERE system = 'REFERENCE_DATA'"
    )
    calls = oms.reference_data.calls
    with pytest.raises(Unavailable, match="paused by ann"):
        await name_topics(oms.connection, oms.reference_data_client, oms.settings)
    assert oms.reference_data.calls == calls
