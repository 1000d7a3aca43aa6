"""Give each role its permissions: `python -m include.roles`, after `airflow db migrate`, with Airflow's configuration.

Run again it changes nothing. Users keep their roles; other roles are left alone. With AIRFLOW_ADMIN_PASSWORD set, the
user `admin` is made with that password, unless there is such a user.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
from airflow.utils.providers_configuration_loader import providers_configuration_loaded
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

FILE = Path(__file__).with_name("roles.toml")
ADMIN = "admin"
WORDS = {"as_well_as", "everything"}

Permission = tuple[str, str]


class AdminSettings(BaseSettings):
    """Who may log in first."""

    password: SecretStr | None = Field(
        default=None, validation_alias="AIRFLOW_ADMIN_PASSWORD", description="Of the user admin, when it is made."
    )


def permissions_of(role: str, file: Mapping[str, Mapping[str, Any]]) -> set[Permission]:
    """What the file gives a role, with what it takes over from another. Raises KeyError where that is none."""
    said = file[role]
    own = {(action, thing) for action, things in said.items() if action not in WORDS for thing in things}
    return own | permissions_of(said["as_well_as"], file) if "as_well_as" in said else own


@providers_configuration_loaded
def apply() -> list[str]:
    """Set the roles; what was changed, a line each."""
    file = tomllib.loads(FILE.read_text("utf-8"))
    with get_application_builder() as builder:
        manager = builder.sm
        manager.sync_roles()  # Airflow's own permissions have to be there first
        changes = []
        for name, said in file.items():
            wanted = _everything(manager) if said.get("everything") else permissions_of(name, file)
            changes += _set(manager, name, wanted)
        if password := AdminSettings().password:
            changes += _make_admin(manager, password.get_secret_value())
    return changes


def _make_admin(manager: Any, password: str) -> list[str]:
    if manager.find_user(username=ADMIN):
        return []
    role = manager.find_role("administrator")
    if not manager.add_user(ADMIN, ADMIN, ADMIN, f"{ADMIN}@localhost", role, password=password):
        raise SystemExit(f"Airflow does not make the user {ADMIN}: its log says why")
    return [f"the user {ADMIN} is made"]


def _everything(manager: Any) -> set[Permission]:
    return {(it.action.name, it.resource.name) for it in manager.find_role("Admin").permissions}


def _set(manager: Any, name: str, wanted: set[Permission]) -> list[str]:
    if unknown := sorted({thing for _, thing in wanted if manager.get_resource(thing) is None}):
        raise SystemExit(f"{FILE.name}: {name}: Airflow has no {', '.join(unknown)}")
    role = manager.add_role(name)  # or the one that there is
    has = {(it.action.name, it.resource.name): it for it in role.permissions}
    for action, thing in sorted(wanted - has.keys()):
        manager.add_permission_to_role(role, manager.create_permission(action, thing))
    for permission in sorted(has.keys() - wanted):
        manager.remove_permission_from_role(role, has[permission])
    return [f"{name}: + {action} on {thing}" for action, thing in sorted(wanted - has.keys())] + [
        f"{name}: - {action} on {thing}" for action, thing in sorted(has.keys() - wanted)
    ]


if __name__ == "__main__":
    print("\n".join(apply()) or "the roles are as the file says")
