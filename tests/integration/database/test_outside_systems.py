"""An outside system is a row, and a line of systems.toml is all that it takes."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from include.oms.base.queries import query
from include.oms.outside.systems import check_system, known_systems

ROWS = "SELECT system FROM outside_systems WHERE document_type = '*'"


def test_each_known_system_has_a_row(db: psycopg.Connection[Any]) -> None:
    assert {system for (system,) in db.execute(ROWS)} == set(known_systems())


def test_a_new_system_gets_a_row_and_the_others_keep_theirs(db: psycopg.Connection[Any]) -> None:
    db.execute("UPDATE outside_systems SET paused_at = now(), paused_by = 'ann'")
    for _ in range(2):
        db.execute(query("add_outside_systems"), {"systems": [*known_systems(), "REMINDER_API"]})
    assert {system for (system,) in db.execute(ROWS)} == {*known_systems(), "REMINDER_API"}
    paused = {system for (system,) in db.execute(f"{ROWS} AND paused_at IS NOT NULL")}
    assert paused == set(known_systems())


def test_an_unknown_system_says_what_to_do() -> None:
    assert check_system("THUNDERHEAD") == "THUNDERHEAD"
    with pytest.raises(ValueError, match=r"add the line `REMINDER_API = .* to include/oms/outside/systems.toml"):
        check_system("REMINDER_API")
