"""Every setting of the system, in one place: name, unit, reason.

Each field is read from the environment as ``OMS_<FIELD>``; ``os.environ`` is read nowhere else.
A wrong value stops the start with a sentence that names it.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from include.oms.base.schedule import checked_schedule, shortest_interval_seconds

Seconds = Annotated[float, Field(gt=0)]
Schedule = Annotated[str, AfterValidator(checked_schedule)]
EVERY_TEN_MINUTES = "*/10 * * * *"
EVERY_MINUTE = "* * * * *"
LATE_AFTER = {"processing_schedule": "late_queued_seconds", "monitoring_schedule": "late_poll_seconds"}
SHARE_OF_A_SCHEDULE = 0.75  # that a worker takes more work for: its slot is free when the next run claims
LONGEST_STAY_SECONDS = 1200.0  # well below the tasks' time-out of 30 min
MOST_PER_SECOND = 1000  # of what is done at a rate


class Settings(BaseSettings):
    """The settings that intake, jobs and services share. Immutable once read."""

    model_config = SettingsConfigDict(env_prefix="OMS_", frozen=True, extra="ignore")

    # -- OMS Database ------------------------------------------------------------------------------
    database_url: str = Field(
        default="postgresql://oms:oms@127.0.0.1:15432/oms",
        description="libpq URL of the OMS Database. The jobs use the Airflow Connection oms_db instead.",
    )
    statement_timeout_seconds: Seconds = Field(
        default=15, description="No statement of ours may take longer; PostgreSQL ends it."
    )

    # -- Intake ------------------------------------------------------------------------------------
    jwt_issuer: str = Field(default="https://identity.oms.local", description="`iss` that a client token must carry.")
    jwt_audience: str = Field(default="oms-intake", description="`aud` that a client token must carry.")
    jwt_jwks_url: str | None = Field(
        default=None, description="Where the issuer publishes its keys. Wins over the file."
    )
    jwt_public_key_file: Path | None = Field(default=None, description="PEM with the issuer's public key.")
    max_body_bytes: int = Field(default=1_048_576, gt=0, description="Larger bodies are answered 413.")
    reference_data_url: str = Field(
        default="http://127.0.0.1:18081", description="Base URL of the Reference Data API, for the intake."
    )
    reference_data_fresh_seconds: Seconds = Field(
        default=30, description="Age up to which cached reference data is used without asking."
    )
    reference_data_stale_seconds: Seconds = Field(
        default=600,
        description="Age up to which cached reference data is used while the API cannot be reached.",
    )

    # -- Jobs --------------------------------------------------------------------------------------
    early_wake: bool = Field(
        default=True,
        description="Watchers in the triggerer start a run as soon as work is due, besides the fixed schedules. False: "
        "the fixed schedules alone, every minute if not set.",
    )
    processing_schedule: Schedule = Field(
        default=EVERY_TEN_MINUTES,
        description="Fixed schedule of document_processing: a cron expression (UTC) or a number of seconds.",
    )
    monitoring_schedule: Schedule = Field(
        default=EVERY_TEN_MINUTES, description="Fixed schedule of document_monitoring, in the same way."
    )
    processing_interval_seconds: Seconds = Field(
        default=5, description="Interval between two looks of document_processing's watcher, if nothing wakes it."
    )
    monitoring_interval_seconds: Seconds = Field(
        default=5, description="Interval between two looks of document_monitoring's watcher, if nothing wakes it."
    )
    slice_size: int = Field(
        default=1000, gt=0, description="Requests that one mapped task instance starts with, or takes at a time."
    )
    max_slices: int = Field(
        default=2,
        gt=0,
        description="Slices of one job that are at work at the same time: one for each core that workers have.",
    )
    slice_seconds: float = Field(
        default=60, ge=0, description="A worker takes more work into its slice for so long; 0: what it was cut with."
    )
    linger_seconds: float = Field(
        default=2, ge=0, description="A worker that has nothing to do waits so long for more before its slice is over."
    )
    concurrency: int = Field(default=64, gt=0, description="HTTP calls that one slice has in flight at most.")
    lease_seconds: Seconds = Field(
        default=60, description="How long a claim holds without renewal; after that a later run takes over."
    )
    submit_timeout_seconds: Seconds = Field(
        default=15,
        description="One submit to Thunderhead, answer included. Must be shorter than settling_seconds.",
    )
    poll_timeout_seconds: Seconds = Field(default=10, description="One look-up at Thunderhead or reference data.")
    settling_seconds: Seconds = Field(
        default=20, description="Wait after an unsure submit before its name is looked up at Thunderhead."
    )
    max_attempts: int = Field(default=3, gt=0, description="Attempts a request may spend before it ends FAILED.")
    backoff_base_seconds: Seconds = Field(default=5, description="First back-off; doubles with every attempt.")
    backoff_max_seconds: Seconds = Field(default=900, description="Back-offs grow up to this.")
    batch_name_prefix: str = Field(
        default="OMS",
        pattern=r"^[A-Za-z0-9_.]{1,40}$",
        description="Batches are named PREFIX-request-attempt; one for each environment that shares a Thunderhead.",
    )
    first_poll_seconds: Seconds = Field(default=0.5, description="From submit to the first poll of a batch.")
    max_poll_seconds: Seconds = Field(default=60, description="Polls of one batch grow apart up to this.")
    overdue_seconds: Seconds = Field(
        default=86_400, description="A batch that Thunderhead has not ended by then is overdue."
    )

    # -- Operators ---------------------------------------------------------------------------------
    retrigger_approval_above: int = Field(
        default=100, ge=0, description="document_retrigger asks a person to approve a larger selection."
    )
    late_queued_seconds: Seconds = Field(
        default=600, description="A request may be due for so long before it is claimed."
    )
    late_held_seconds: Seconds = Field(default=2400, description="A slice may hold a request for so long.")
    late_poll_seconds: Seconds = Field(default=600, description="A batch's poll may be due for so long.")
    late_at_thunderhead_seconds: Seconds = Field(
        default=14_400, description="Thunderhead may work on a batch for so long; overdue_seconds then ends it."
    )
    late_event_seconds: Seconds = Field(default=600, description="A final event may wait in the outbox for so long.")
    late_outage_seconds: Seconds = Field(
        default=900, description="An outside system's breaker may stay open for so long."
    )
    late_pause_seconds: Seconds = Field(default=14_400, description="An outside system may be paused for so long.")
    watchdog_interval_seconds: Seconds = Field(default=60, description="So often oms_watchdog looks for late work.")
    runbooks_url: str = Field(
        default="docs/runbooks", description="Where alerts say the runbooks are: a URL, or a path in the repository."
    )
    problems_url: str = Field(
        default="/problems",
        description="Where logs and the console say the pages of the problems are: the intake's, as people reach it.",
    )
    reconciliation_calls_per_second: float = Field(
        default=20, gt=0, le=MOST_PER_SECOND, description="Look-ups at Thunderhead that the reconciliation makes."
    )
    reconciliation_names: int = Field(
        default=2000,
        ge=0,
        description="Batch names looked up for doubles: all of a day where it has no more, else as large a sample.",
    )

    # -- Retention ---------------------------------------------------------------------------------
    retention_days: int = Field(
        default=90, gt=1, description="Payload, metadata and XML are erased so long after a request's end."
    )
    retention_days_by_document_type: dict[str, Annotated[int, Field(gt=1)]] = Field(
        default={}, description='Other retentions by document type, as JSON: {"INVOICE": 2555}.'
    )
    event_retention_days: int = Field(default=90, gt=1, description="Published events are forgotten after so long.")
    airflow_history_days: int = Field(
        default=30, gt=1, description="Airflow's runs, their logs and our slices are kept for so long."
    )

    # -- Final status events -----------------------------------------------------------------------
    kafka_topic: str = Field(
        default="oms.document-request.final-status",
        description="Topic of the final status events, unless the document's TOPIC_NAME configuration names one.",
    )
    kafka_topic_pattern: str = Field(
        default="[A-Za-z0-9._-]+",
        description="Regular expression of the topics that TOPIC_NAME may name; the default topic is always allowed.",
    )
    publish_timeout_seconds: Seconds = Field(default=10, description="Wait for the broker's acknowledgements.")

    # -- The two services --------------------------------------------------------------------------
    service_host: str = Field(default="127.0.0.1", description="Address the services and the intake bind.")
    thunderhead_token: SecretStr = Field(
        default=SecretStr("local-thunderhead-token"),
        description="Bearer token the Thunderhead simulator accepts.",
    )

    @field_validator("kafka_topic")
    @classmethod
    def _is_no_internal_topic(cls, topic: str) -> str:
        if not re.fullmatch(r"(?!__)[A-Za-z0-9._-]{1,249}", topic):
            raise ValueError("a topic of ours: letters, digits, '.', '_', '-'; not one of Kafka's own (__*)")
        return topic

    @field_validator("kafka_topic_pattern")
    @classmethod
    def _is_a_pattern(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from error
        return pattern

    @model_validator(mode="after")
    def _schedules_alone(self) -> Self:
        """Without early wake: every minute if not set, and no work counts as late before the next run."""
        if self.early_wake:
            return self
        for name, late in LATE_AFTER.items():
            if name not in self.model_fields_set:
                object.__setattr__(self, name, EVERY_MINUTE)  # frozen for others
            seconds, allowed = shortest_interval_seconds(getattr(self, name)), getattr(self, late)
            if seconds > allowed:
                raise ValueError(
                    f"OMS_{name.upper()} starts a run every {seconds:.0f} s, but work counts as late after "
                    f"{allowed:.0f} s (OMS_{late.upper()}): change one of them, or OMS_EARLY_WAKE"
                )
        return self

    @property
    def stay_seconds(self) -> float:
        """How long a worker takes more work into its slice.

        With early wake: ``slice_seconds``. Without it, the next run comes by the schedule alone: the worker stays for
        most of the time until then, so that a backlog does not wait.
        """
        if self.early_wake or not self.slice_seconds:
            return self.slice_seconds
        schedules = (self.processing_schedule, self.monitoring_schedule)
        return min(SHARE_OF_A_SCHEDULE * min(map(shortest_interval_seconds, schedules)), LONGEST_STAY_SECONDS)


@cache
def settings() -> Settings:
    """The process's settings, read once. Raises pydantic's ValidationError naming each wrong one."""
    return Settings()
