"""What the file of roles gives to whom."""

from __future__ import annotations

import tomllib

from include.roles.__main__ import FILE, Permission, permissions_of

FILED = tomllib.loads(FILE.read_text("utf-8"))


def given(role: str) -> set[Permission]:
    return permissions_of(role, FILED)


def test_each_role_may_do_what_the_one_before_may() -> None:
    assert list(FILED) == ["viewer", "operator", "engineer", "administrator"]
    assert given("viewer") < given("operator") < given("engineer")
    assert FILED["administrator"] == {"everything": True}


def test_a_viewer_changes_nothing_but_their_own_profile() -> None:
    changes = {thing for action, thing in given("viewer") if action not in ("can_read", "menu_access")}
    assert changes == {"My Profile", "My Password"}


def test_secrets_and_users_are_the_administrators_alone() -> None:
    things = {thing for _, thing in given("engineer")}
    assert not things & {"Connections", "Users", "Roles", "Permissions", "Permission Views", "Passwords"}
