"""A system of the bench's own."""

from __future__ import annotations

from pydantic import Field

from include.local.settings import LocalSettings, Port


class BenchSettings(LocalSettings):
    """The local settings, and where the intake's floor is."""

    bench_floor_port: Port = Field(default=18083, description="The bare endpoint that the intake is held against.")


def bench_settings(settings: LocalSettings) -> BenchSettings:
    """Settings of a system in a folder of its own; what the environment sets is kept."""
    return BenchSettings(var_dir=settings.var_dir / "bench")
