"""Settings for the start of the simulator. ``control.py`` has those of its behaviour."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from include.oms.base.settings import Settings


class ThunderheadSettings(Settings):
    """Read from the environment as ``OMS_THUNDERHEAD_*``, beside the settings that all parts share."""

    thunderhead_port: int = Field(default=18082, ge=1, le=65535, description="TCP port on service_host.")
    thunderhead_data_dir: Path = Field(
        default=Path("var/thunderhead"), description="Folder of its ledger and its PDFs; made where it is missing."
    )
    thunderhead_seed: int = Field(
        default=0, description="Seed of every random choice, so that a run with faults can be run again."
    )
