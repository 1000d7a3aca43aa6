"""How due work is cut into slices, and what a slice is called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from include.oms.ending.final_status import End
from include.oms.slices.cutting import (
    DueRequest,
    cut_requests,
    label_of_batches,
    label_of_red_ends,
    label_of_requests,
    with_room,
)
from include.oms.words.model import Stage, Status

SLICE_SIZE = 64


def due(number: int, *, first_id: int = 1, deaths: int = 0, document_type: str = "POLICY") -> list[DueRequest]:
    """So many requests in a row."""
    return [DueRequest(first_id + n, "CIBT", document_type, deaths > 0, deaths) for n in range(number)]


def sizes(slices: Sequence[Sequence[DueRequest]]) -> list[int]:
    return [len(part) for part in slices]


def test_slices_are_full_but_the_last() -> None:
    slices = cut_requests(due(150), slice_size=SLICE_SIZE, limit=640)
    assert sizes(slices) == [64, 64, 22]
    assert [request for part in slices for request in part] == due(150), "in the order of the claim"


def test_nothing_due_is_no_slice() -> None:
    assert cut_requests([], slice_size=SLICE_SIZE, limit=640) == []


@pytest.mark.parametrize(("deaths", "size"), [(0, 64), (1, 8), (2, 1), (3, 1), (100, 1)])
def test_each_death_makes_a_slice_an_eighth_as_large(deaths: int, size: int) -> None:
    assert len(cut_requests(due(64, deaths=deaths), slice_size=SLICE_SIZE, limit=640)[0]) == size


def test_who_lost_a_worker_is_kept_apart_from_the_others() -> None:
    slices = cut_requests(due(10, deaths=1) + due(5, first_id=100), slice_size=SLICE_SIZE, limit=640)
    assert sizes(slices) == [5, 8, 2]


def test_who_lost_a_worker_gets_no_more_slices_than_the_claim_has() -> None:
    assert sizes(cut_requests(due(64, deaths=1), slice_size=SLICE_SIZE, limit=2 * SLICE_SIZE)) == [8, 8]
    assert sizes(cut_requests(due(64, deaths=1), slice_size=SLICE_SIZE, limit=5)) == [8], "one at least"


def test_room_of_all_types_together() -> None:
    assert with_room(due(5), {"*": 3}) == due(3)
    assert with_room(due(5), {"*": 0}) == []
    assert with_room(due(5), {}) == due(5)


def test_room_of_one_type_leaves_the_others_alone() -> None:
    invoices = due(3, first_id=100, document_type="INVOICE")
    assert with_room(due(5) + invoices, {"POLICY": 2}) == due(2) + invoices


def test_the_room_of_all_counts_what_its_own_type_has_no_room_for() -> None:
    invoices = due(3, first_id=100, document_type="INVOICE")
    assert with_room(due(5) + invoices, {"*": 6, "POLICY": 0}) == invoices[:1]


def test_a_source_system_has_room_of_its_own() -> None:
    others = [replace(request, source_system="OTHER") for request in due(3)]
    assert with_room(due(5) + others, {}, {"OTHER": 1}) == due(5) + others[:1]


def test_a_slice_is_called_by_what_it_holds() -> None:
    arcade = [DueRequest(9, "ARCADE", "POLICY", False, 0)]
    assert label_of_requests(arcade) == "request 9 of ARCADE"
    assert label_of_requests(due(2) + arcade) == "3 requests, 1 to 9: 1 ARCADE, 2 CIBT"
    assert label_of_batches([7]) == "request 7"
    assert label_of_batches([7, 3, 5]) == "3 requests, 3 to 7"


def test_the_name_of_a_red_slice_tells_how_many_need_a_person_and_for_what() -> None:
    def end(n: int, status: Status = Status.FAILED, category: str | None = "PROCESSING_ERROR") -> End:
        return End(n, status, Stage.GENERATION, category, "x", "IVBRKCOM")

    ends = [end(n) for n in range(1164)]
    assert label_of_red_ends(ends, 1165) == "1,164 FAILED: PROCESSING_ERROR IVBRKCOM (of 1,165)"
    ends += [end(1164, Status.STOPPED, None)]
    assert label_of_red_ends(ends, 0) == "1,164 FAILED, 1 STOPPED: PROCESSING_ERROR IVBRKCOM and 1 more (of 1,165)"
    assert label_of_red_ends([End(1, Status.FAILED, Stage.SUBMISSION)], 1) == "1 FAILED: no error kept (of 1)"
