"""Each part connects with a role of its own, which has the rights that its statements need, and no others."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from include.oms.base.queries import load
from include.oms.testing.postgres import ROOT, as_role, create_database, database_url, migrate
from tests.integration.test_indexes import numbered

QUERIES = {**load("include.oms"), **load("include.services.reference_data")}
DOMAIN = "include/oms"
# Where each part's statements are named.
CALLERS = {
    "oms_intake": ["oms_intake", f"{DOMAIN}/intake", f"{DOMAIN}/outside/rate_limit.py"],
    "oms_console": [
        "plugins", f"{DOMAIN}/operators", f"{DOMAIN}/outside", f"{DOMAIN}/ending/final_status.py",
        f"{DOMAIN}/ending/retrigger.py",
    ],
    "oms_jobs": [
        "dags", "include/jobs",
        *(f"{DOMAIN}/{room}" for room in (
            "outside", "ending", "slices", "processing", "monitoring", "items", "upkeep"
        )),
        f"{DOMAIN}/operators/audit.py", f"{DOMAIN}/operators/bulk_retrigger.py",
        f"{DOMAIN}/operators/bulk_operations.py", f"{DOMAIN}/operators/selection.py",
    ],
    "oms_reference_data": ["include/services/reference_data"],
}  # fmt: skip
CONTENT = ("request_payloads", "request_metadata", "batch_payloads")
FREE_TEXT = {
    "document_requests": "origin_user", "request_errors": "description", "request_timeline": "detail",
    "final_events": "event", "outside_systems": "last_error", "archived_documents": "given_up_why",
    "job_items": "refused_why",
    "reconciliations": "report", "operator_actions": "reason",
}  # fmt: skip


def statements_of(part: str) -> set[str]:
    """The names of the queries that a part's code writes out."""
    places = [Path(ROOT, place) for place in CALLERS[part]]
    files = [file for place in places for file in ([place] if place.is_file() else place.rglob("*.py"))]
    text = "\n".join(file.read_text() for file in files)
    own = set(load("include.services.reference_data"))
    known = own if part == "oms_reference_data" else QUERIES.keys() - own
    return {name for name in known if f'"{name}"' in text}


@contextmanager
def acting(db: psycopg.Connection, role: str) -> Iterator[None]:
    """Act as this role while the block runs."""
    db.execute(f"SET ROLE {role}")
    try:
        yield
    finally:
        db.execute("RESET ROLE")


@pytest.mark.parametrize("part", CALLERS)
def test_a_part_may_run_its_statements(db: psycopg.Connection, part: str) -> None:
    if db.info.server_version < 160000:
        pytest.skip("EXPLAIN (GENERIC_PLAN) is of PostgreSQL 16")
    names = statements_of(part)
    assert len(names) > 10
    refused = {}
    with acting(db, part):
        for name in sorted(names):
            try:
                db.execute("EXPLAIN (GENERIC_PLAN) " + numbered(QUERIES[name]))
            except InsufficientPrivilege as error:
                refused[name] = str(error)
    assert refused == {}, "add the right to include/migrations/grants.sql"


def test_every_table_is_of_some_part(db: psycopg.Connection) -> None:
    """A new table comes with its grants."""
    tables = {
        name
        for (name,) in db.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')"
        )
    }
    granted = set(re.findall(r"\w+", " ".join(load("include.migrations").values())))
    assert tables - granted == {"alembic_version"}


@pytest.mark.parametrize("role", load("include.migrations"))
def test_nobody_changes_the_audit_trail(db: psycopg.Connection, role: str) -> None:
    db.execute(
        "INSERT INTO operator_actions (at, actor, door, action) VALUES (now() - interval '20 years', 'a', 'api', 'b')"
    )
    with acting(db, role):
        for statement in (
            "UPDATE operator_actions SET actor = 'nobody'",
            "DELETE FROM operator_actions",
            "TRUNCATE operator_actions",
            "ALTER TABLE operator_actions DISABLE TRIGGER ALL",
            "DROP TABLE operator_actions",
        ):
            with pytest.raises(InsufficientPrivilege):
                db.execute(statement)
    with acting(db, "oms_jobs"):  # but housekeeping ends what is past its retention, which is a year at least
        pruned = "SELECT number FROM prune_operator_actions(0, 0, 100)"
        assert db.execute(pruned).fetchone() == (1,)
        db.execute(
            "INSERT INTO operator_actions (at, actor, door, action)"
            " VALUES (now() - interval '364 days', 'a', 'api', 'b')"
        )
        assert db.execute(pruned).fetchone() == (0,)


def test_the_intake_reads_one_clients_document_at_a_time(db: psycopg.Connection) -> None:
    db.execute("""
        WITH request AS (
            INSERT INTO document_requests (source_system, request_correlation_id, content_hash, document_type,
                document_name, document_language, source_environment, client_subject)
            VALUES ('CIBT', 'R', '', 'INVOICE', 'IVZRECPA', 'EN', 'DEV', 'test') RETURNING request_id),
        batch AS (
            INSERT INTO thunderhead_batches (request_id, attempt, batch_name, batch_config_id)
            SELECT request_id, 1, 'B', 'c' FROM request RETURNING batch_key)
        INSERT INTO batch_payloads SELECT batch_key, '<a/>' FROM batch""")
    with acting(db, "oms_intake"):
        xml = "SELECT * FROM submitted_xml((SELECT max(request_id) FROM document_requests), %s)"
        assert db.execute(xml, ["CIBT"]).fetchall() == [("<a/>",)]
        assert db.execute(xml, ["ARCADE"]).fetchall() == []
        with pytest.raises(InsufficientPrivilege):
            db.execute("SELECT xml FROM batch_payloads")
        with pytest.raises(InsufficientPrivilege):
            db.execute("UPDATE document_requests SET source_system = 'ARCADE'")
        with pytest.raises(InsufficientPrivilege):
            db.execute("DELETE FROM document_requests")
        with pytest.raises(InsufficientPrivilege):
            db.execute("SELECT * FROM operator_actions")
    with acting(db, "oms_console"), pytest.raises(InsufficientPrivilege):
        db.execute("SELECT * FROM submitted_xml(1, 'CIBT')")


def test_the_reader_sees_no_content_and_no_free_text(db: psycopg.Connection) -> None:
    with acting(db, "oms_reader"):
        db.execute("SELECT status, count(*) FROM document_requests GROUP BY status")
        db.execute("SELECT * FROM thunderhead_batches")
        db.execute("SELECT category, count(*) FROM request_errors GROUP BY category")
        for table in CONTENT:
            with pytest.raises(InsufficientPrivilege):
                db.execute(f"SELECT * FROM {table}")
        for table, column in FREE_TEXT.items():
            with pytest.raises(InsufficientPrivilege):
                db.execute(f"SELECT {column} FROM {table}")
        for table in ("document_requests", "reference_data"):
            with pytest.raises(InsufficientPrivilege):
                db.execute(f"UPDATE {table} SET id = 1" if table == "reference_data" else f"DELETE FROM {table}")


def test_nobody_makes_objects(db: psycopg.Connection) -> None:
    for role in load("include.migrations"):
        with acting(db, role), pytest.raises(InsufficientPrivilege):
            db.execute("CREATE TABLE mine ()")


def test_after_an_upgrade_a_role_has_its_rights_and_no_others(direct_database_url: str, db: psycopg.Connection) -> None:
    db.execute("GRANT DELETE ON document_requests TO oms_intake")
    db.execute("REVOKE SELECT ON watchers FROM oms_intake")
    migrate(direct_database_url, "upgrade", "head")
    has = "SELECT has_table_privilege('oms_intake', %s, %s)"
    assert db.execute(has, ["document_requests", "DELETE"]).fetchone() == (False,)
    assert db.execute(has, ["watchers", "SELECT"]).fetchone() == (True,)


@pytest.mark.skipif(not shutil.which("psql"), reason="no psql")
def test_the_script_makes_the_roles_and_may_be_repeated(postgres_url: str, template_database: str) -> None:
    """On a server that revokes everything from PUBLIC, as the compose file's does."""
    create_database(postgres_url, "oms_roles_script", template=template_database)
    url = database_url(postgres_url, "oms_roles_script")
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("REVOKE ALL ON DATABASE oms_roles_script FROM PUBLIC")
    with pytest.raises(psycopg.OperationalError, match="CONNECT privilege"):
        psycopg.connect(as_role(url, "oms_reader"))
    script = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "include/deploy/postgres/roles.sql", url]
    for password in ("it's", "another"):
        given = {**os.environ, "OMS_READER_DATABASE_PASSWORD": password}
        done = subprocess.run(script, cwd=ROOT, env=given, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
    with psycopg.connect(as_role(url, "oms_reader")) as connection:
        assert connection.execute("SELECT count(*) FROM document_requests").fetchone() == (0,)
    with psycopg.connect(postgres_url) as connection:
        passwords = "SELECT rolname FROM pg_authid WHERE rolname LIKE 'oms\\_%' AND rolpassword LIKE 'SCRAM-SHA-256$%'"
        assert connection.execute(passwords).fetchall() == [("oms_reader",)]
        roles = connection.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE 'oms\\_%'").fetchall()
    assert {name for (name,) in roles} == load("include.migrations").keys()
