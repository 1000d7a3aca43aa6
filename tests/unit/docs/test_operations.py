"""The tuning table of docs/operations.md has every setting, with the default and the words of the code."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from include.oms.base.settings import Settings
from oms_intake.settings import IntakeSettings

PAGE = Path(__file__).resolve().parents[3] / "docs/operations.md"
ROW = re.compile(r"^(\| OMS_\w+ \| .* \| .* \|) [^|]*\|$", re.MULTILINE)


def row_of(name: str, field: FieldInfo) -> str:
    """All of a row but the advice, which is the page's own."""
    value = field.default
    default = "a development token" if isinstance(value, SecretStr) else "none" if value is None else f"`{value}`"
    return f"| OMS_{name.upper()} | {default} | {field.description} |"


def test_the_table_has_every_setting_as_the_code_has_it() -> None:
    own = {name: it for name, it in IntakeSettings.model_fields.items() if not it.validation_alias}
    expected = [row_of(name, field) for name, field in (Settings.model_fields | own).items()]
    assert ROW.findall(PAGE.read_text("utf-8")) == expected
