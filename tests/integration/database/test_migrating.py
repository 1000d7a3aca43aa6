"""A migration that has to wait for a lock waits for short moments only, so that nobody else has to."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from psycopg.rows import DictRow

from include.oms.intake.database import Database
from include.oms.testing.postgres import ROOT

MIGRATION = '''"""One more."""
from alembic import op
revision, down_revision, branch_labels, depends_on = "9999", "{head}", None, None


def upgrade() -> None:
    {statement}


def downgrade() -> None:
    pass
'''
ALTER = 'op.execute("ALTER TABLE document_requests ADD COLUMN one_more integer")'
CONCURRENTLY = """with op.get_context().autocommit_block():
        op.execute("CREATE INDEX CONCURRENTLY one_more ON document_requests (spent)")"""
READ = "SELECT FROM document_requests LIMIT 1"

Migrate = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def migrate_further(tmp_path: Path, direct_database_url: str) -> Migrate:
    """Start `alembic upgrade head` with one more migration, which does this."""
    versions = ROOT / "include/migrations/versions"

    def start(statement: str) -> subprocess.Popen[str]:
        (head,) = ScriptDirectory.from_config(Config(ROOT / "alembic.ini")).get_heads()
        (tmp_path / "9999_one_more.py").write_text(MIGRATION.format(head=head, statement=statement))
        ini = tmp_path / "alembic.ini"
        ini.write_text(
            f"[alembic]\nscript_location = {versions.parent}\nprepend_sys_path = {ROOT}\n"
            f"path_separator = os\nversion_locations = {versions}{os.pathsep}{tmp_path}\n"
        )
        return subprocess.Popen(
            [sys.executable, "-m", "alembic", "-c", str(ini), "upgrade", "head"],
            env={**os.environ, "OMS_DATABASE_URL": direct_database_url}, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    return start


def test_the_intake_goes_on_while_a_migration_waits(migrate_further: Migrate, direct_database_url: str) -> None:
    """Behind a long transaction that has read the table, such as pg_dump's."""
    intake = Database(direct_database_url, pool_size=2, pool_timeout_seconds=2, statement_timeout_seconds=2)

    def use(connection: psycopg.Connection[DictRow]) -> None:
        connection.execute(READ)
        connection.execute("UPDATE document_requests SET spent = spent")

    with psycopg.connect(direct_database_url, application_name="pg_dump") as dump:
        dump.execute(READ)
        migration = migrate_further(ALTER)
        assert migration.stderr
        for _ in range(2):
            assert "pid" in (said := migration.stderr.readline()), said
            assert "pg_dump" in said
            intake.transaction(use)
    intake.close()
    _, said = migration.communicate(timeout=60)
    assert migration.returncode == 0, said
    with psycopg.connect(direct_database_url) as connection:
        connection.execute("SELECT one_more FROM document_requests")


def test_an_index_that_stops_nobody_waits_as_long_as_it_takes(
    migrate_further: Migrate, direct_database_url: str
) -> None:
    waits = """SELECT 1 FROM pg_stat_activity
               WHERE query ~ '^CREATE INDEX CONC' AND now() - query_start > interval '1 second'"""
    with psycopg.connect(direct_database_url) as long, psycopg.connect(direct_database_url, autocommit=True) as other:
        long.execute("UPDATE document_requests SET spent = spent")
        migration = migrate_further(CONCURRENTLY)
        while not other.execute(waits).fetchone():
            assert migration.poll() is None
        other.execute("UPDATE document_requests SET spent = spent")
    _, said = migration.communicate(timeout=60)
    assert (migration.returncode, said) == (0, "")
