"""What the development issuer needs to know, beside the settings that all parts share."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from include.oms.base.settings import Settings


class IssuerSettings(Settings):
    """Read from the environment as ``OMS_ISSUER_*``; who it says it is, is ``OMS_JWT_ISSUER``."""

    issuer_port: int = Field(default=18083, ge=1, le=65535, description="TCP port on service_host.")
    issuer_data_dir: Path = Field(
        default=Path("var/keys"), description="Folder of its key pair; made where it is missing."
    )
