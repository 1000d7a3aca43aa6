"""A system of the chaos run's own: short waits, so that what is broken heals within the run."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from include.local.settings import LocalSettings, Port

SHORT: dict[str, Any] = {
    "processing_interval_seconds": 2,
    "monitoring_interval_seconds": 2,
    "slice_size": 100,  # several slices at a time, so that a kill hits one of many
    "poll_timeout_seconds": 4,
    # A submit is over before its name is looked up, and while its lease holds: 4 < 6, 4 < 12.
    "submit_timeout_seconds": 4,
    "settling_seconds": 6,
    "lease_seconds": 12,
    "backoff_base_seconds": 1,
    "backoff_max_seconds": 8,
    "max_poll_seconds": 5,
    "publish_timeout_seconds": 5,
}


class ChaosSettings(LocalSettings):
    """The local settings, the seed of the simulator's own chance, and the port of an issuer whose keys can change."""

    issuer_port: Port = Field(default=18083, description="Issuer of tokens.")
    thunderhead_seed: int = Field(default=0, description="As the simulator's own setting.")


def chaos_settings(settings: LocalSettings, seed: int) -> ChaosSettings:
    """Settings of a system in a folder of its own. What the environment sets is kept, short or not."""
    short = {name: value for name, value in SHORT.items() if name not in settings.model_fields_set}
    own = ChaosSettings(**short, var_dir=settings.var_dir / "chaos", thunderhead_seed=seed)
    return own.model_copy(update={"jwt_jwks_url": f"http://127.0.0.1:{own.issuer_port}/jwks"})
