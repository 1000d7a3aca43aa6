"""Every setting of ours by the name of its environment variable, with its default as .env would write it."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, SecretStr

from include.oms.base.settings import Settings
from include.services.issuer.settings import IssuerSettings
from include.services.reference_data.settings import ReferenceDataSettings
from include.services.thunderhead.control import Control
from include.services.thunderhead.settings import ThunderheadSettings
from oms_intake.settings import IntakeSettings

# What the compose file itself decides: where things are inside the containers.
FIXED = {
    "OMS_DATABASE_URL", "OMS_REFERENCE_DATA_URL", "OMS_THUNDERHEAD_URL", "OMS_SERVICE_HOST",
    "OMS_INTAKE_PORT", "OMS_REFERENCE_DATA_PORT",
    "OMS_THUNDERHEAD_PORT", "OMS_ISSUER_PORT", "OMS_ISSUER_DATA_DIR",
    "OMS_THUNDERHEAD_DATA_DIR", "OMS_JWT_PUBLIC_KEY_FILE", "PROMETHEUS_MULTIPROC_DIR",
}  # fmt: skip
CLASSES: tuple[tuple[type[BaseModel], str], ...] = (
    (Settings, "OMS_"),
    (IntakeSettings, "OMS_"),
    (ReferenceDataSettings, "OMS_"),
    (ThunderheadSettings, "OMS_"),
    (IssuerSettings, "OMS_"),
    (Control, "OMS_THUNDERHEAD_"),
)


def settings_by_variable() -> dict[str, str]:
    """Variable and default, all but those that are fixed."""
    found: dict[str, str] = {}
    for cls, prefix in CLASSES:
        for name, field in cls.model_fields.items():
            alias = field.validation_alias
            variable = alias if isinstance(alias, str) else f"{prefix}{name.upper()}"
            if alias is None or isinstance(alias, str):
                found[variable] = _text(field.get_default(call_default_factory=True))
    return {variable: default for variable, default in found.items() if variable not in FIXED}


def _text(default: Any) -> str:
    if default is None or isinstance(default, SecretStr):
        return ""
    if isinstance(default, BaseModel):
        return default.model_dump_json(exclude_defaults=True)
    return json.dumps(default) if isinstance(default, bool | dict | list) else str(default)
