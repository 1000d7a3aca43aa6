"""What may be typed into document_retrigger's form, and what becomes of it."""

from __future__ import annotations

from typing import Any

import pytest

from include.jobs.retrigger_form import RetriggerForm, read_form
from include.oms.words.model import Category, Stage, Status

EMPTY = {
    "request_ids": None, "correlation_ids": None, "statuses": ["FAILED", "STOPPED"], "stage": None, "category": None,
    "source_system": None, "document_type": None, "document_name": None, "ended_from": None,
    "ended_to": None, "per_second": 50, "dry_run": True,
}  # fmt: skip


def form(**filled: Any) -> RetriggerForm:
    return read_form(EMPTY | filled)


def test_every_field_reaches_the_selection() -> None:
    selection = form(
        request_ids=" 1, 2;3\n4 ", statuses=["FAILED"], stage="GENERATION", category="OVERDUE", source_system="CIBT",
        document_type="INVOICE", document_name=" IVZRECPA ",
        ended_from="2026-01-01T00:00:00Z", ended_to="2026-01-02T00:00:00+01:00",
    ).selection()  # fmt: skip
    assert selection.request_ids == (1, 2, 3, 4)
    assert (selection.statuses, selection.stage, selection.category) == (
        (Status.FAILED,),
        Stage.GENERATION,
        Category.OVERDUE,
    )
    assert (selection.source_system, selection.document_name) == ("CIBT", "IVZRECPA")
    assert selection.withdrawn is False


def test_correlation_ids_may_hold_anything_but_line_ends() -> None:
    assert form(correlation_ids="a b,c\n\n d \r\n").selection().correlation_ids == ("a b,c", "d")


def test_whoever_approves_reads_what_was_filled_in() -> None:
    filled = form(request_ids=" ".join(map(str, range(1, 13))), category="OVERDUE")
    assert filled.in_words() == (
        "request_ids: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 2 more; statuses: FAILED, STOPPED; category: OVERDUE"
    )


def test_a_dry_run_unless_somebody_says_otherwise() -> None:
    assert RetriggerForm(request_ids=(1,), per_second=1).dry_run


@pytest.mark.parametrize(
    ("filled", "said"),
    [
        ({}, "say which requests"),
        ({"statuses": ["COMPLETED"], "stage": "GENERATION"}, "only FAILED and STOPPED"),
        ({"statuses": [], "stage": "GENERATION"}, "only FAILED and STOPPED"),
        ({"request_ids": "1", "correlation_ids": "a"}, "not both"),
        ({"request_ids": "1 two"}, "request_ids"),
        ({"request_ids": "99999999999999999999"}, "request_ids"),
        ({"request_ids": " ".join(map(str, range(1, 10_002)))}, "at most 10000"),
        ({"stage": "GENERATION", "metadata": "COUNTRY:SE"}, "metadata"),
        ({"ended_from": "2026-01-02T00:00:00Z", "ended_to": "2026-01-01T00:00:00Z"}, "must be before"),
        ({"ended_from": "2026-01-02T00:00:00"}, "timezone"),
        ({"stage": "NOWHERE"}, "stage"),
        ({"source_system": "x" * 101}, "source_system"),
        ({"stage": "GENERATION", "per_second": 0}, "per_second"),
        ({"stage": "GENERATION", "per_second": 10_000}, "per_second"),
        ({"stage": "GENERATION", "surname": "Droptables"}, "surname"),
    ],
)
def test_what_makes_no_sense_is_said(filled: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match="this form has mistakes") as raised:
        form(**filled)
    assert said in str(raised.value)
