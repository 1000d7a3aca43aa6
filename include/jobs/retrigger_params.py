"""The form of document_retrigger in Airflow's UI."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from airflow.sdk import Param

from include.oms.base.settings import LEAST_PER_SECOND, MOST_PER_SECOND
from include.oms.words.model import RED_ENDS, Category, Stage

PER_SECOND = 50.0  # requests retriggered a second, unless the form says otherwise
APPROVAL_SECONDS = 86_400  # longest wait for the approval; after that nothing is retriggered
LONGEST_RUN_SECONDS = 3600

WHICH, WHEN, HOW = "Which requests", "Ended when", "How"


def _text(title: str, description: str, **more: Any) -> Param:
    """An optional text field."""
    return Param(None, type=["null", "string"], title=title, description=description, section=WHICH, **more)


def _lines(title: str, description: str, pattern: str) -> Param:
    return _text(title, description, format="multiline", pattern=pattern, maxLength=1_100_000)


def _name(title: str, example: str) -> Param:
    return _text(title, f"The exact value of the request, such as {example}.", pattern=r"^\s*\S.{0,99}$|^\s*$")


def _choice(title: str, description: str, values: Iterable[str]) -> Param:
    return _text(title, description, enum=[None, *map(str, values)])


def _instant(title: str, description: str) -> Param:
    return Param(None, type=["null", "string"], format="date-time", title=title, description=description, section=WHEN)


PARAMS = {
    "request_ids": _lines(
        "Request ids",
        "Separated by commas, blanks or line ends. The log has an answer for each id.",
        r"^[\s,;]*([0-9]{1,19}([\s,;]+|$))*$",
    ),
    "correlation_ids": _lines("Correlation ids", "The clients' own ids, one a line.", r"^([^\r\n]{0,100}(\r?\n|$))*$"),
    "statuses": Param(
        [str(status) for status in RED_ENDS],
        type="array",
        items={"type": "string", "enum": [str(status) for status in RED_ENDS]},
        examples=[str(status) for status in RED_ENDS],
        minItems=1,
        uniqueItems=True,
        title="Statuses",
        description="Only requests with these ends can be retriggered. Withdrawn requests are left out.",
        section=WHICH,
    ),
    "stage": _choice("Stage", "The stage at which the requests ended.", Stage),
    "category": _choice("Error category", "The category of the last error.", Category),
    "source_system": _name("Source system", "CIBT"),
    "document_type": _name("Document type", "INVOICE"),
    "document_name": _name("Document name", "IVZRECPA"),
    "ended_from": _instant("Ended at or after", "With time zone."),
    "ended_to": _instant("Ended before", "With time zone."),
    "per_second": Param(
        PER_SECOND,
        type="number",
        minimum=LEAST_PER_SECOND,
        maximum=MOST_PER_SECOND,
        title="Requests a second",
        description="Rate at which requests are retriggered. Choose a rate that Thunderhead can bear.",
        section=HOW,
    ),
    "dry_run": Param(
        True,
        type="boolean",
        title="Dry run",
        description="Only count the requests, by stage and error category. Nothing is changed.",
        section=HOW,
    ),
}  # fmt: skip
