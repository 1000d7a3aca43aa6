"""The compose file, resolved with what .env.example says must be set."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from include.local.settings import ROOT
from tests.e2e.topology.compose import resolved

EXAMPLE = (ROOT / ".env.example").read_text()
MUST_BE_SET = re.findall(r"^(\w+)=$", EXAMPLE, re.MULTILINE)
DOCUMENTED = dict(re.findall(r"^#?(\w+)=(.*)$", EXAMPLE, re.MULTILINE))


@pytest.fixture(scope="session")
def compose(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder: Path = tmp_path_factory.mktemp("compose")
    return resolved({name: f"the-{name.lower()}" for name in MUST_BE_SET}, folder)
