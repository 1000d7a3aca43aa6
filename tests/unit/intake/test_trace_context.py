"""A trace parent is taken over where it is one."""

import pytest

from oms_intake.trace_context import trace_parent

GOOD = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    ("sent", "taken"),
    [
        (GOOD, GOOD),
        (f" {GOOD} ", GOOD),
        (f"cc{GOOD[2:]}-what-the-future-will-be-like", GOOD),  # of a later version, what this one knows
        ("", None),
        (f"{GOOD}-more", None),
        (f"ff{GOOD[2:]}", None),
        (GOOD.upper(), None),
        (GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32), None),
        (GOOD.replace("00f067aa0ba902b7", "0" * 16), None),
        (f"{GOOD}, {GOOD}", None),
        ("'; DROP TABLE document_requests; --", None),
    ],
)
def test_trace_parent(sent: str, taken: str | None) -> None:
    assert trace_parent(sent) == taken
