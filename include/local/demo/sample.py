"""The demo's requests: those of the sample file, repeated."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("sample_requests.jsonl")
REQUESTS = 200


@dataclass(frozen=True)
class Sample:
    """One request, whose it is, and how it ends at our own Thunderhead simulator."""

    source_system: str
    request: dict[str, Any]
    expected: str


def samples(run: str) -> list[Sample]:
    """REQUESTS requests whose correlation ids are this run's own."""
    lines = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
    return [
        Sample(
            line["source_system"],
            {**line["request"], "request_correlation_id": f"DEMO-{run}-{number:03}"},
            line["expected"],
        )
        for number, line in enumerate(islice(cycle(lines), REQUESTS), start=1)
    ]
