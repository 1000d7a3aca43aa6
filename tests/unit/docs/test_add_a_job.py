"""What docs/add-a-job.md shows is what the repository has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs/add-a-job.md").read_text("utf-8")
FILES = [
    f"docs/examples/{name}.py"
    for name in (
        "nightly_count", "test_nightly_count", "document_reminder", "test_document_reminder", "check_configuration",
    )
]  # fmt: skip
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
CODE = [text for language, text in BLOCKS if language != "sh"]


@pytest.mark.parametrize("block", CODE, ids=lambda block: block.strip().splitlines()[0][:40])
def test_each_block_is_in_a_file_that_is_run(block: str) -> None:
    assert any(block in (ROOT / file).read_text("utf-8") for file in FILES), block


@pytest.mark.parametrize("file", FILES)
def test_each_file_is_named(file: str) -> None:
    assert file.removeprefix("docs/") in PAGE


def test_each_fixture_of_the_kit_is_on_the_page() -> None:
    kit = [*(ROOT / "include/oms/testing").glob("*.py"), ROOT / "include/jobs/testing.py"]
    public = re.findall(r"^@pytest\.fixture.*\n(?:async )?def ([a-z]\w+)", "".join(it.read_text() for it in kit), re.M)
    inner = {"postgres_url", "airflow_template", "pooler_url", "template_database", "direct_database_url"}
    assert {name for name in public if f"`{name}`" not in PAGE} <= inner
