"""What a chaos run does with runs, on the intake under its own server, without the chaos."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg

from include.local.chaos.orders import Order, Parcel
from include.local.chaos.runs import Runs
from include.local.chaos.sender import Sender
from tests.integration.intake.conftest import ServedIntake, a_request


def test_a_run_is_closed_once_the_missing_request_has_come(
    serve: Callable[..., ServedIntake], token: Callable[..., str], db: psycopg.Connection[Any]
) -> None:
    orders = [Order("CIBT", a_request(f"C-{n}"), "COMPLETED") for n in range(3)]
    parcels = [Parcel(tuple(orders[:2]), is_bulk=True, is_sent_twice=True), Parcel((orders[2],), False, False)]
    url, tokens = serve().url, {"CIBT": token()}
    runs = Runs(url, tokens, orders, seed=1)
    runs.open()
    runs.open()  # a repeated call opens no second run
    with Sender(url, tokens, parcels, run_ids=runs.ids) as sender:
        sender.release(1)
        while not sender.is_through:
            assert not sender.refused
    late = runs.close()
    assert runs.faults == []
    (key,) = late
    assert [order.key for order in runs.late] == [key]
    progress = "SELECT state, expected, received, missing, withdrawn, completed_at FROM run_progress"
    assert db.execute(progress).fetchall() == [("CLOSED", 4, 4, 0, 1, None)]
