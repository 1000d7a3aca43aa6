"""Passwords and keys of the system on one machine: made once, kept in a file of the owner's."""

from __future__ import annotations

import json
from pathlib import Path
from secrets import token_urlsafe

from cryptography.fernet import Fernet
from pydantic import BaseModel, Field

from include.oms.base.queries import load


class Secrets(BaseModel):
    """Everything that must be the same at the next start."""

    postgres_password: str = Field(default_factory=lambda: token_urlsafe(24))  # of the superuser
    oms_database_password: str = Field(default_factory=lambda: token_urlsafe(24))
    airflow_database_password: str = Field(default_factory=lambda: token_urlsafe(24))
    database_role_passwords: dict[str, str] = Field(
        default_factory=lambda: {role: token_urlsafe(24) for role in load("include.migrations")}
    )
    fernet_key: str = Field(default_factory=lambda: Fernet.generate_key().decode())
    jwt_secret: str = Field(default_factory=lambda: token_urlsafe(64))
    api_secret_key: str = Field(default_factory=lambda: token_urlsafe(32))
    airflow_passwords: dict[str, str] = Field(
        default_factory=lambda: {user: token_urlsafe(12) for user in ("admin", "operator", "viewer")}
    )


def kept_secrets(file: Path) -> Secrets:
    """The secrets in the file; those that are not there yet are made and written."""
    kept = Secrets.model_validate_json(file.read_text()) if file.exists() else Secrets()
    if kept.model_fields_set != Secrets.model_fields.keys():  # a new file, or one of an earlier release
        write_private(file, json.dumps(kept.model_dump(), indent=2))
    return kept


def write_private(file: Path, text: str) -> None:
    """Write a file that nobody but its owner may read; whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(file)
