"""Checks the form of document_retrigger: it becomes a selection, or one sentence for each mistake."""

from __future__ import annotations

import re
from typing import Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from include.oms.base.settings import LEAST_PER_SECOND, MOST_PER_SECOND
from include.oms.operators.selection import Name, RequestId, Selection
from include.oms.words.model import RED_ENDS, Category, Stage, Status
from include.oms.words.names import trimmed

MOST_SHOWN = 10


class RetriggerForm(BaseModel):
    """The fields that a person filled in. An empty field does not filter; a request must match all others.

    None is for metadata, because Airflow shows a form to every viewer: in the run's conf, its log and its audit log.
    The console selects by metadata.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    request_ids: tuple[RequestId, ...] | None = None
    correlation_ids: tuple[Name, ...] | None = None
    statuses: tuple[Status, ...] = RED_ENDS
    stage: Stage | None = None
    category: Category | None = None
    source_system: Name | None = None
    document_type: Name | None = None
    document_name: Name | None = None
    ended_from: AwareDatetime | None = None
    ended_to: AwareDatetime | None = None
    per_second: float = Field(ge=LEAST_PER_SECOND, le=MOST_PER_SECOND)
    dry_run: bool = True

    @field_validator("*", mode="before")
    @classmethod
    def _trimmed(cls, given: Any) -> Any:
        return trimmed(given) or None if isinstance(given, str) else given

    @field_validator("request_ids", mode="before")
    @classmethod
    def _ids(cls, given: Any) -> Any:
        return tuple(re.split(r"[\s,;]+", given.strip(" \t\r\n,;"))) if isinstance(given, str) else given

    @field_validator("correlation_ids", mode="before")
    @classmethod
    def _lines(cls, given: Any) -> Any:
        return _lines(given) if isinstance(given, str) else given

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if not set(self.statuses) <= set(RED_ENDS) or not self.statuses:
            raise ValueError("statuses: only FAILED and STOPPED requests can be retriggered")
        if self.request_ids and self.correlation_ids:
            raise ValueError("give request ids or correlation ids, not both")
        if self.ended_from and self.ended_to and self.ended_from >= self.ended_to:
            raise ValueError("ended_from must be before ended_to")
        if not self.model_dump(exclude={"statuses", "per_second", "dry_run"}, exclude_none=True):
            raise ValueError("say which requests: give ids, or fill in at least one filter, such as a time")
        self.selection()
        return self

    def selection(self) -> Selection:
        """The selection of the form, without withdrawn requests: their clients do not want the documents."""
        return Selection(withdrawn=False, unresolved=True, **self.model_dump(exclude={"per_second", "dry_run"}))

    def in_words(self) -> str:
        """The filled-in fields, for the person who approves."""
        filled = self.model_dump(mode="json", exclude={"per_second", "dry_run"}, exclude_none=True)
        return "; ".join(f"{name}: {_short(value)}" for name, value in filled.items())


def read_form(params: dict[str, Any]) -> RetriggerForm:
    """Check the form. Raises ValueError with a line for each mistake."""
    try:
        return RetriggerForm.model_validate(params)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        lines = [": ".join([*map(str, it["loc"]), it["msg"].removeprefix("Value error, ")]) for it in faults]
        raise ValueError("this form has mistakes:\n" + "\n".join(lines)) from error


def _short(value: Any) -> str:
    if not isinstance(value, list):
        return str(value)
    shown = ", ".join(map(str, value[:MOST_SHOWN]))
    return shown + (f" and {len(value) - MOST_SHOWN} more" if len(value) > MOST_SHOWN else "")


def _lines(text: str) -> tuple[str, ...]:
    """The lines of a text field. Other line separators stay: names must not hold them, so they are refused."""
    return tuple(filter(None, map(trimmed, re.split("\r\n|\n|\r", text))))
