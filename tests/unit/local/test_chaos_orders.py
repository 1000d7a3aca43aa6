"""What a chaos run hands in and breaks: the same for the same seed, and every kind of it."""

from __future__ import annotations

from collections import Counter

from include.local.chaos.orders import FATES, MOST_IN_BULK, parcels
from include.local.chaos.plan import FIRST, KINDS, LAST, plan


def test_a_seed_hands_in_the_same_again() -> None:
    assert parcels(200, 1) == parcels(200, 1)
    assert parcels(200, 1) != parcels(200, 2)


def test_every_order_is_handed_in_under_a_correlation_id_of_its_own() -> None:
    keys = [order.key for parcel in parcels(500, 3) for order in parcel.orders]
    assert len(keys) == len(set(keys)) == 500


def test_a_parcel_is_one_call_of_one_source_system() -> None:
    for parcel in parcels(500, 3):
        assert len({order.source_system for order in parcel.orders}) == 1
        assert len(parcel.orders) <= (MOST_IN_BULK if parcel.is_bulk else 1)


def test_every_fate_is_met_in_its_share() -> None:
    orders = [order for parcel in parcels(5000, 4) for order in parcel.orders]
    met = Counter(order.request["document_content"].get("sandbox") for order in orders)
    assert met.keys() == {fate for _, fate, _ in FATES}
    expected = {fate: end for _, fate, end in FATES}
    assert all(order.expected == expected[order.request["document_content"].get("sandbox")] for order in orders)


def test_the_plan_of_a_seed_is_the_same_again_and_holds_every_kind() -> None:
    assert plan(300, 1) == plan(300, 1)
    assert plan(300, 1) != plan(300, 2)
    assert {injection.kind for injection in plan(1, 7)} == set(KINDS)
    assert len(plan(10_000, 1)) == 2 * len(plan(300, 1))


def test_the_plan_goes_by_progress() -> None:
    places = [injection.at for injection in plan(5000, 1)]
    assert places == sorted(places)
    assert places[0] >= FIRST
    assert places[-1] <= LAST
