"""The settings of the Reference Data API, besides those that all parts share."""

from __future__ import annotations

from pydantic import Field

from include.oms.base.settings import Settings


class ReferenceDataSettings(Settings):
    """Read from the environment as ``OMS_*``."""

    reference_data_port: int = Field(default=18081, ge=1, le=65535, description="TCP port on service_host.")
