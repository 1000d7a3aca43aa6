"""The settings of the system on one machine: data folder, ports, and outside systems that exist already."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from include.oms.base.settings import Settings

ROOT = Path(__file__).resolve().parents[2]

Port = Annotated[int, Field(gt=0, lt=65_536)]


class LocalSettings(Settings):
    """Read from ``OMS_<FIELD>``. Connections are read from Airflow's ``AIRFLOW_CONN_*``."""

    var_dir: Path = Field(
        default=Path("var"), description="Data, logs, secrets and addresses; relative to the repository."
    )
    postgres_port: Port = Field(default=15432, description="PostgreSQL: the OMS Database and Airflow's own.")
    kafka_port: Port = Field(default=19092, description="Kafka-protocol broker.")
    reference_data_port: Port = Field(default=18081, description="Reference Data API.")
    thunderhead_port: Port = Field(default=18082, description="Thunderhead simulator.")
    intake_port: Port = Field(default=18080, description="Document Request API.")
    airflow_port: Port = Field(default=18090, description="Airflow's UI and API.")
    start_timeout_seconds: float = Field(
        default=180, gt=0, description="For each part, from its start until it is ready."
    )

    # If one is set, that system is used, and ours is not started.
    oms_db: str | None = Field(default=None, validation_alias="AIRFLOW_CONN_OMS_DB")
    thunderhead_api: str | None = Field(default=None, validation_alias="AIRFLOW_CONN_THUNDERHEAD_API")
    reference_data_api: str | None = Field(default=None, validation_alias="AIRFLOW_CONN_REFERENCE_DATA_API")
    kafka_default: str | None = Field(default=None, validation_alias="AIRFLOW_CONN_KAFKA_DEFAULT")

    @field_validator("var_dir")
    @classmethod
    def _inside_the_repository(cls, given: Path) -> Path:
        return (ROOT / given.expanduser()).resolve()

    @property
    def log_dir(self) -> Path:
        """Where every part's full log is: ``<part>.log``."""
        return self.var_dir / "log"


@cache
def local_settings() -> LocalSettings:
    """The settings out of the environment, read once."""
    return LocalSettings()
