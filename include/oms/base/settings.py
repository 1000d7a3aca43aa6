"""Every setting of the system, in one place: name, unit, reason.

Each field is read from the environment as ``OMS_<FIELD>``; ``os.environ`` is read nowhere else.
A wrong value stops the start with a sentence that names it.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from include.oms.base.schedule import checked_schedule, shortest_interval_seconds

LONGEST_SECONDS = 315_360_000  # ten years: PostgreSQL can add them to an instant
Seconds = Annotated[float, Field(gt=0, le=LONGEST_SECONDS, allow_inf_nan=False)]
SecondsOrNone = Annotated[float, Field(ge=0, le=LONGEST_SECONDS, allow_inf_nan=False)]
Days = Annotated[int, Field(gt=1, le=36_500)]  # a hundred years: the same
Count = Annotated[int, Field(gt=0, le=1_000_000)]
Quota = Annotated[int, Field(gt=0, le=10**15)]
Schedule = Annotated[str, AfterValidator(checked_schedule)]
EVERY_TEN_MINUTES = "*/10 * * * *"
EVERY_MINUTE = "* * * * *"
LATE_AFTER = {"processing_schedule": "late_queued_seconds", "monitoring_schedule": "late_poll_seconds"}
SHARE_OF_A_SCHEDULE = 0.75  # for which a worker claims more work; then its slot is free for the next run
LONGEST_CLAIMING_SECONDS = 1200.0  # well below the tasks' time-out of 30 min
MOST_PER_SECOND = 1000  # of what is done at a rate
LEAST_PER_SECOND = 0.1  # of a bulk operation, so that the wait for the next piece is shorter than its lease


class Settings(BaseSettings):
    """The settings that intake, jobs and services share. Immutable once read."""

    model_config = SettingsConfigDict(env_prefix="OMS_", frozen=True, extra="ignore", populate_by_name=True)

    # -- OMS Database ------------------------------------------------------------------------------
    database_url: str = Field(
        default="postgresql://oms:oms@127.0.0.1:15432/oms",
        description="libpq URL of the OMS Database. The jobs use the Airflow Connection oms_db instead.",
    )
    statement_timeout_seconds: Seconds = Field(
        default=10, description="Longest time of one statement; PostgreSQL ends it after that."
    )

    # -- Intake ------------------------------------------------------------------------------------
    jwt_issuer: str = Field(
        default="https://identity.oms.local", description="Issuer (`iss`) that a client token must name."
    )
    jwt_audience: str = Field(default="oms-intake", description="Audience (`aud`) that a client token must name.")
    jwt_jwks_url: str | None = Field(
        default=None, description="URL at which the issuer publishes its keys. It takes precedence over the key file."
    )
    jwt_public_key_file: Path | None = Field(default=None, description="PEM file with the issuer's public key.")
    max_body_bytes: int = Field(
        default=1_048_576,
        gt=0,
        description="Largest body of a call; a larger one is answered 413. A bulk call may have eight times as much.",
    )
    reference_data_url: str = Field(
        default="http://127.0.0.1:18081", description="Base URL of the Reference Data API, for the intake."
    )
    reference_data_stale_seconds: Seconds = Field(
        default=600,
        description="Age up to which cached reference data is used while the API is out of reach.",
    )

    quota_open_requests: Quota = Field(
        default=1_000_000,
        description="Most open requests of a source system that has no quotas in the reference data.",
    )
    quota_requests_an_hour: Quota = Field(
        default=5_000_000,
        description="Most requests that such a source system may hand in in an hour.",
    )
    quota_bytes_an_hour: Quota = Field(
        default=50_000_000_000, description="Most bytes of content that it may hand in in an hour."
    )

    thunderhead_url: str = Field(
        default="http://127.0.0.1:18082",
        description="Base URL of Thunderhead, for the intake, which fetches documents for clients. The jobs use the "
        "Airflow Connection thunderhead_api instead.",
    )
    thunderhead_token: SecretStr = Field(
        default=SecretStr("local-thunderhead-token"),
        description="Bearer token of the intake for Thunderhead. The Thunderhead simulator accepts this one.",
    )

    # -- Jobs --------------------------------------------------------------------------------------
    early_wake: bool = Field(
        default=True,
        description="Watchers in the triggerer start a run as soon as work is due, in addition to the fixed "
        "schedules. False: only the fixed schedules, every minute unless set.",
    )
    processing_schedule: Schedule = Field(
        default=EVERY_TEN_MINUTES,
        description="Fixed schedule of document_processing: a cron expression (UTC) or a number of seconds.",
    )
    monitoring_schedule: Schedule = Field(
        default=EVERY_TEN_MINUTES,
        description="Fixed schedule of document_monitoring: a cron expression (UTC) or a number of seconds.",
    )
    processing_interval_seconds: Seconds = Field(
        default=5, description="Interval between two checks of document_processing's watcher while nothing wakes it."
    )
    monitoring_interval_seconds: Seconds = Field(
        default=5, description="Interval between two checks of document_monitoring's watcher while nothing wakes it."
    )
    slice_size: Count = Field(
        default=1000,
        description="Largest number of requests that a slice is cut with, or that its worker claims at a time.",
    )
    max_slices: Count = Field(
        default=2,
        description="Slices of one job at work at the same time: one for each core of the workers.",
    )
    slice_seconds: SecondsOrNone = Field(
        default=60,
        description="Time for which a worker claims more due work into its slice; 0: it works only what the slice was "
        "cut with.",
    )
    linger_seconds: SecondsOrNone = Field(
        default=2, description="Time that a worker without work waits for more before it closes its slice."
    )
    concurrency: Count = Field(default=64, description="HTTP calls that one slice has in flight at most.")
    lease_seconds: Seconds = Field(
        default=60,
        description="Length of a lease; a worker renews it. After it has run out, a later run takes the work over.",
    )
    submit_timeout_seconds: Seconds = Field(
        default=15,
        description="Time-out of one submit to Thunderhead, answer included. It must be shorter than settling_seconds.",
    )
    poll_timeout_seconds: Seconds = Field(
        default=10, description="Time-out of one look-up at Thunderhead or the Reference Data API."
    )
    settling_seconds: Seconds = Field(
        default=20, description="Wait after an unsure submit before the batch is looked up by its name."
    )
    max_attempts: Count = Field(default=3, description="Attempts that a request may spend before it ends FAILED.")
    backoff_base_seconds: Seconds = Field(default=5, description="First back-off; it doubles with every attempt spent.")
    backoff_max_seconds: Seconds = Field(default=900, description="Longest back-off.")
    batch_name_prefix: str = Field(
        default="OMS",
        pattern=r"^[A-Za-z0-9_.]{1,40}$",
        description="First part of batch names (PREFIX-request-attempt). Use another one for each environment on the "
        "same Thunderhead.",
    )
    first_poll_seconds: Seconds = Field(default=0.5, description="Time from the submit to the first poll of a batch.")
    max_poll_seconds: Seconds = Field(
        default=60, description="Longest interval between two polls of a batch; the interval grows with its age."
    )
    overdue_seconds: Seconds = Field(
        default=86_400,
        description="Age at which a batch that Thunderhead has not ended is overdue; its request ends FAILED.",
    )

    # -- Operators ---------------------------------------------------------------------------------
    bulk_approval_above: int = Field(
        default=100,
        ge=0,
        validation_alias=AliasChoices("OMS_BULK_APPROVAL_ABOVE", "OMS_RETRIGGER_APPROVAL_ABOVE"),  # its former name
        description="Number of requests above which a bulk operation waits for the approval of a second person.",
    )
    late_queued_seconds: Seconds = Field(
        default=600, description="A due request that nobody claims is late after this time."
    )
    late_poll_seconds: Seconds = Field(default=600, description="A batch whose poll is due is late after this time.")
    late_at_thunderhead_seconds: Seconds = Field(
        default=14_400, description="A batch at Thunderhead is late after this time; overdue_seconds ends it."
    )
    watchdog_interval_seconds: Seconds = Field(
        default=60, description="Interval between two checks of oms_watchdog for late work."
    )
    runbooks_url: str = Field(
        default="docs/runbooks", description="Address of the runbooks in alerts: a URL, or a path in the repository."
    )
    problems_url: str = Field(
        default="/problems",
        description="Address of the problem pages in logs and console: the intake's, as people reach it.",
    )
    reconciliation_calls_per_second: float = Field(
        default=20,
        gt=0,
        le=MOST_PER_SECOND,
        description="Look-ups a second that oms_reconciliation makes at Thunderhead.",
    )

    # -- Retention ---------------------------------------------------------------------------------
    retention_days: Days = Field(
        default=90, description="Days after a request's end at which payload, metadata and XML are erased."
    )
    retention_days_by_document_type: dict[str, Days] = Field(
        default={}, description='Other retentions by document type, as JSON: {"INVOICE": 2555}.'
    )
    replay_days: Days = Field(
        default=400,
        description="Days after a request's end for which its correlation id is remembered; then its row is deleted.",
    )
    event_retention_days: Days = Field(default=90, description="Days for which published final events are kept.")
    airflow_history_days: Days = Field(
        default=30, description="Days for which Airflow's runs, their logs and the slices are kept."
    )

    # -- Final status events -----------------------------------------------------------------------
    kafka_topic: str = Field(
        default="oms.document-request.final-status",
        description="Topic of the final events, unless the document's configuration names another (TOPIC_NAME).",
    )
    kafka_topic_pattern: str = Field(
        default="[A-Za-z0-9._-]+",
        description="Regular expression of the topics that TOPIC_NAME may name; the default topic is always allowed.",
    )
    kafka_run_topic: str = Field(
        default="oms.run.completed",
        description="Topic of the events of completed runs.",
    )
    publish_timeout_seconds: Seconds = Field(default=10, description="Longest wait for the broker's acknowledgements.")

    # -- The two services --------------------------------------------------------------------------
    service_host: str = Field(default="127.0.0.1", description="Address that the services and the intake bind.")

    @model_validator(mode="before")
    @classmethod
    def _without_line_ends(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Cut the line end off a value, as one out of a mounted file or a pasted secret has."""
        return {name: value.rstrip("\r\n") if isinstance(value, str) else value for name, value in given.items()}

    @field_validator("kafka_topic", "kafka_run_topic")
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
    def _times_work_together(self) -> Self:
        """Time-outs end before the waits that rely on them. Each sentence names both settings."""
        if self.submit_timeout_seconds >= self.settling_seconds:
            raise ValueError(
                f"OMS_SUBMIT_TIMEOUT_SECONDS ({self.submit_timeout_seconds:g}) must be shorter than "
                f"OMS_SETTLING_SECONDS ({self.settling_seconds:g}): a submit may arrive until its time-out"
            )
        if self.submit_timeout_seconds > self.lease_seconds / 2:
            raise ValueError(
                f"OMS_SUBMIT_TIMEOUT_SECONDS ({self.submit_timeout_seconds:g}) must be at most half of "
                f"OMS_LEASE_SECONDS ({self.lease_seconds:g}): no submit starts that the lease may not outlive"
            )
        if self.statement_timeout_seconds >= self.lease_seconds:
            raise ValueError(
                f"OMS_STATEMENT_TIMEOUT_SECONDS ({self.statement_timeout_seconds:g}) must be shorter than "
                f"OMS_LEASE_SECONDS ({self.lease_seconds:g}): a renewal that hangs must end while the lease holds"
            )
        return self

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
    def claiming_seconds(self) -> float:
        """Seconds for which a worker claims more work into its slice.

        With early wake: ``slice_seconds``. Without it, the next run starts by the schedule alone. So the worker claims
        for most of the time until then, and a backlog does not wait.
        """
        if self.early_wake or not self.slice_seconds:
            return self.slice_seconds
        schedules = (self.processing_schedule, self.monitoring_schedule)
        return min(SHARE_OF_A_SCHEDULE * min(map(shortest_interval_seconds, schedules)), LONGEST_CLAIMING_SECONDS)


@cache
def settings() -> Settings:
    """The process's settings, read once. Raises pydantic's ValidationError naming each wrong one."""
    return Settings()
