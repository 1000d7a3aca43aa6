"""The rate limit: one line of calls, shared by all slices."""

from __future__ import annotations

from time import monotonic

from include.oms.outside.breaker import System
from include.oms.outside.rate_limit import places_in_line
from include.oms.testing.system import Oms


async def rate(oms: Oms, document_type: str, per_second: float) -> None:
    """Set the rate of Thunderhead for a document type."""
    await oms.connection.execute(
        """INSERT INTO outside_systems (system, document_type, most_per_second) VALUES ('THUNDERHEAD', %s, %s)
           ON CONFLICT (system, document_type) DO UPDATE SET most_per_second = excluded.most_per_second""",
        (document_type, per_second),
    )


async def places(oms: Oms, *document_types: str) -> list[float]:
    """To a tenth of a second."""
    return [round(place, 1) for place in await places_in_line(oms.connection, System.THUNDERHEAD, document_types)]


async def test_slices_stand_in_one_line(oms: Oms) -> None:
    await rate(oms, "*", 2)
    assert await places(oms, "INVOICE", "INVOICE") == [0, 0.5]
    assert await places(oms, "POLICY", "INVOICE") == [1, 1.5]


async def test_a_document_type_has_a_line_of_its_own(oms: Oms) -> None:
    await rate(oms, "POLICY", 1)
    assert await places(oms, "POLICY", "INVOICE", "POLICY") == [0, 0, 1]


async def test_the_job_keeps_to_the_rate(oms: Oms) -> None:
    await rate(oms, "*", 10)
    await oms.queued(5)
    started = monotonic()
    await oms.run_processing()
    assert len(oms.thunderhead.batches) == 5
    assert monotonic() - started >= 0.4
