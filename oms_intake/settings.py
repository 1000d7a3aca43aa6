"""The intake's own settings, beside those it shares with the jobs and services."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Self

from pydantic import AliasChoices, Field, model_validator

from include.oms.base.settings import Seconds, Settings
from include.oms.identity.keys import PemKeys


class IntakeSettings(Settings):
    """Settings of the Document Request API and its server. Immutable once read."""

    intake_port: int = Field(default=18080, ge=0, le=65535, description="Port the intake listens on.")
    intake_workers: int = Field(default=2, gt=0, description="Processes of the intake; one for each core.")
    intake_threads: int = Field(
        default=80,
        gt=0,
        description="Calls that one process works at the same time; one source system has four fifths of them at most.",
    )
    intake_pool_size: int = Field(
        default=8,
        gt=0,
        description="Most connections that one process opens to the OMS Database.",
    )
    intake_pool_timeout_seconds: Seconds = Field(
        default=2, description="Longest wait for a free connection; after that the call is answered 503."
    )
    intake_statement_timeout_seconds: Seconds = Field(
        default=5,
        description="Longest time of one statement of the intake; shorter than the jobs', because a client waits.",
    )
    intake_client_seconds: Seconds = Field(
        default=10, description="Longest wait for a client to send or take the next bytes; the gateway is quick."
    )
    metrics_directory: Path | None = Field(
        default=None,
        validation_alias="PROMETHEUS_MULTIPROC_DIR",  # the name that prometheus-client reads
        description="Where the processes of one server share their metrics. Set by gunicorn.conf.py.",
    )

    # Names of the OpenTelemetry standard. The SDK reads them, too, and all others of the standard.
    otel_traces_exporter: str = Field(
        default="", validation_alias="OTEL_TRACES_EXPORTER", description="otlp: a span for every call is sent."
    )
    otel_endpoint: str = Field(
        default="",
        validation_alias=AliasChoices("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        description="Address of the collector; if it is set, spans are sent.",
    )
    otel_sdk_disabled: bool = Field(
        default=False, validation_alias="OTEL_SDK_DISABLED", description="true: no spans, whatever else is set."
    )

    @property
    def traces_wanted(self) -> bool:
        """Whether spans are made. Off by default."""
        exporter = self.otel_traces_exporter or ("otlp" if self.otel_endpoint else "none")
        return exporter == "otlp" and not self.otel_sdk_disabled

    @model_validator(mode="after")
    def _some_key(self) -> Self:
        """Read the key here, so that an unusable key stops the start."""
        if self.jwt_jwks_url:
            return self
        if not self.jwt_public_key_file:
            raise ValueError("set OMS_JWT_JWKS_URL or OMS_JWT_PUBLIC_KEY_FILE: without a key no token can be checked")
        PemKeys(self.jwt_public_key_file)
        return self


@cache
def intake_settings() -> IntakeSettings:
    """The process's settings, read once. Raises pydantic's ValidationError naming each wrong one."""
    return IntakeSettings()
