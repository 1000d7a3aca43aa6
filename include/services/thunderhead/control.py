"""The simulator's settings: its speed, its faults, and the fate of documents.

They are read at the start from ``OMS_THUNDERHEAD_<FIELD>`` (JSON for anything but a number). ``PUT /control`` replaces
all of them at any time; ``DELETE /control`` restores those of the start.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

Rate = Annotated[float, Field(ge=0, le=1, description="Share of the calls it happens to, drawn for each.")]
Duration = Annotated[float, Field(ge=0, le=86_400, description="Seconds.")]


class _Told(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_default=True)


class Match(_Told):
    """The submits that a fate applies to: all given fields must match. Shell patterns: ``OMS-10*``, ``IV??????``."""

    document_name: str | None = None  # attribute `name` of the XML's root element
    batch_name: str | None = None
    batch_config_id: str | None = None


class Fate(_Told):
    """The fate of a document: how its batch ends."""

    match: Match = Match()
    status: Literal["COMPLETED", "FAILED", "STOPPED", "NEVER", "REJECTED", "UNAVAILABLE"] = "FAILED"
    # NEVER: stays PROCESSING. REJECTED and UNAVAILABLE: the submit is answered 422 or 503, and there is no batch.
    category: str = "PROCESSING_ERROR"  # of a FAILED one
    description: str = "The document could not be generated."
    generation_seconds: Duration | None = None  # None: as for any other
    first_n: Annotated[int, Field(gt=0)] | None = None
    # Only the first n submits of one request: a batch is called OMS-<request_id>-<attempt>. None: all of them.


class Outage(_Told):
    """An outage that every call under /v1 meets until it is over."""

    mode: Literal["refuse", "retry_after_seconds", "retry_after_date", "hang", "unauthorized", "reset"] = "refuse"
    # The first three are 503, without Retry-After and with either form of it.
    seconds: Annotated[float, Field(gt=0)] | None = None  # how long, from when it was told
    until: AwareDatetime | None = None  # None: until told otherwise

    @model_validator(mode="after")
    def _fix_the_end(self) -> Self:
        if self.seconds is not None and self.until is None:
            self.until = datetime.now(UTC) + timedelta(seconds=self.seconds)
        return self

    def seconds_left(self) -> float:
        """Seconds that the outage still lasts; infinity if it has no end, 0 if it is over."""
        if self.until is None:
            return float("inf")
        return max(0.0, (self.until - datetime.now(UTC)).total_seconds())


class HostileAnswers(_Told):
    """Answers to a look-up that break the contract; at most one for each call."""

    left_out_ids: Rate = 0  # look-up by ids: of the batches, not of the calls; beside the others
    missing_ids: Rate = 0  # look-up by ids: half of the batches are left out
    huge_ids: Rate = 0  # ids that fit no 64-bit integer
    unknown_status: Rate = 0
    huge_body: Rate = 0  # valid JSON, over 8 MiB of it
    drip_feed: Rate = 0  # a byte at a time, for a minute at most
    redirect: Rate = 0  # to another host
    wrong_content_type: Rate = 0  # 200 with an HTML page
    not_json: Rate = 0  # 200 with JSON that is cut short
    empty_body: Rate = 0  # 200 with nothing
    other_shape: Rate = 0  # 200 with JSON of another shape
    control_characters: Rate = 0  # NULs and escape sequences in error texts


class Control(_Told):
    """All settings. By default it behaves well and takes half a second for a document."""

    rendering: bool = True  # False: a document is rendered when it is first fetched, and its XML is not checked
    latency_seconds: Duration = 0  # delay of each call under /v1, before anything else
    generation_seconds: Duration = 0.5
    generation_jitter_seconds: Duration = 0  # up to this much more, drawn for each batch
    submit_error_rate: Rate = 0  # before any effect
    submit_error_status: Annotated[list[Annotated[int, Field(ge=400, le=599)]], Field(min_length=1)] = [500, 503]
    read_error_rate: Rate = 0  # look-ups, with one of submit_error_status
    error_retry_after_seconds: Duration | None = None  # Retry-After of each 503 among these errors
    error_after_effect_rate: Rate = 0  # the batch is made; the answer is a 5xx or a cut connection
    cut_connection_rate: Rate = 0  # any call under /v1, before any effect
    hang_after_effect_rate: Rate = 0  # the batch is made; there is no answer for a minute
    unreadable_answer_rate: Rate = 0  # the batch is made; the 202 is empty, cut short, no JSON or of another shape
    late_document_id_rate: Rate = 0  # share of the batches that are COMPLETED without a document id at first
    late_document_id_seconds: Duration = 10  # for so long
    rate_limit_per_second: Annotated[int, Field(gt=0)] | None = None  # calls under /v1; more are answered 429
    most_in_flight: Annotated[int, Field(gt=0)] | None = None  # calls under /v1 at a time; more are answered 429
    limit_retry_after_seconds: Duration = 1  # Retry-After of these 429, in either form
    outage: Outage | None = None
    hostile_answers: HostileAnswers = HostileAnswers()
    fates: list[Fate] = []  # the first that matches counts


class ControlAtStart(Control, BaseSettings):
    """The settings of the start, read from the environment."""

    model_config = SettingsConfigDict(env_prefix="OMS_THUNDERHEAD_", extra="ignore")
