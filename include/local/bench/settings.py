"""The settings of the bench's system."""

from __future__ import annotations

from pydantic import Field

from include.local.settings import LocalSettings, Port


class BenchSettings(LocalSettings):
    """The local settings, and the port of the intake's floor."""

    bench_floor_port: Port = Field(default=18083, description="The bare endpoint that the intake is held against.")


def bench_settings(settings: LocalSettings) -> BenchSettings:
    """Settings of a system in its own folder. Settings in the environment apply."""
    return BenchSettings(var_dir=settings.var_dir / "bench")
