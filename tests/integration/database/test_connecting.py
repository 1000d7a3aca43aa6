"""Connections to the OMS Database: bounded on our side, with the settings of a session, renewed when they are gone."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from shutil import which
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from include.jobs.publishing import Publisher
from include.oms.base import database
from include.oms.base.database import NoAnswer, Session, open_blocking
from include.oms.base.settings import Settings
from include.oms.intake.database import Database
from include.oms.intake.refusals import DatabaseOutOfReach
from include.oms.slices.early_wake import work_is_due
from include.oms.testing.forwarder import Forwarder, forwarding
from include.oms.testing.postgres import POOLER, database_url, pooled
from include.oms.testing.system import Oms
from include.oms.words.model import Job
from include.services.reference_data.database import create_pool

SHOWN = "SELECT name, setting FROM pg_settings WHERE name = ANY (%s)"
SETTINGS = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "TimeZone", "random_page_cost"]


@pytest.fixture
def impatient(oms_database_url: str) -> Settings:
    """A statement may take half a second."""
    return Settings(database_url=oms_database_url, statement_timeout_seconds=0.5)


async def test_every_session_has_its_settings(impatient: Settings) -> None:
    async with await database.connect(impatient.database_url, impatient, application_name="x") as connection:
        found = await (await connection.execute(SHOWN, [SETTINGS])).fetchall()
        with pytest.raises(psycopg.errors.QueryCanceled):
            await connection.execute("SELECT pg_sleep(30)")
    assert {row["name"]: row["setting"] for row in found} == {
        "statement_timeout": "500",
        "lock_timeout": "0",
        "idle_in_transaction_session_timeout": "60000",
        "TimeZone": "UTC",
        "random_page_cost": "1.1",
    }


def test_what_the_url_says_of_the_connection_wins(oms_database_url: str) -> None:
    session = Session("ours", connect_timeout_seconds=3)
    said = session.parameters(make_conninfo(oms_database_url, keepalives_idle=99, application_name="theirs"))
    assert (said["keepalives_idle"], said["application_name"]) == ("99", "theirs")
    assert (said["tcp_user_timeout"], said["connect_timeout"]) == (20_000, 3)


async def test_a_standby_is_no_primary(impatient: Settings, db: psycopg.Connection[Any]) -> None:
    db.execute(f"ALTER DATABASE {db.info.dbname} SET default_transaction_read_only = on")
    with pytest.raises(psycopg.OperationalError, match="read-only"):
        await database.connect(impatient.database_url, impatient, application_name="x")


async def test_a_worker_notices_a_silent_fail_over(oms: Oms, impatient: Settings) -> None:
    async with Forwarder(oms.url).running() as way:
        connection = await database.connect(way.url, impatient, application_name="worker")
        way.fall_silent()
        with pytest.raises(NoAnswer):
            await database.rows(connection, "requests_are_due")
        assert connection.closed
        async with await database.connect(way.url, impatient, application_name="again") as again:
            assert await database.rows(again, "requests_are_due")


async def test_a_transaction_ends_with_a_silent_fail_over(oms: Oms, impatient: Settings) -> None:
    async with Forwarder(oms.url).running() as way:
        connection = await database.connect(way.url, impatient, application_name="worker")

        async def transaction() -> None:
            async with connection.transaction():
                way.fall_silent()
                await database.rows(connection, "requests_are_due")

        with pytest.raises(NoAnswer):
            await transaction()


async def test_a_watcher_notices_a_silent_fail_over(oms: Oms, impatient: Settings) -> None:
    async with Forwarder(oms.url).running() as way:
        connection = await database.connect(way.url, impatient, application_name="watcher")
        watcher = work_is_due(connection, Job.PROCESSING, interval_seconds=0.2, max_slices=2)
        fired = asyncio.ensure_future(anext(watcher))
        while not await oms.rows("SELECT FROM watchers WHERE job = 'document_processing' AND waiting"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        way.fall_silent()
        with pytest.raises(NoAnswer):
            await asyncio.wait_for(fired, 30)


def test_a_blocking_connection_notices_a_silent_fail_over(impatient: Settings, direct_database_url: str) -> None:
    with forwarding(direct_database_url) as way:
        connection = database.connect_blocking(way.url, impatient, application_name="publisher")
        way.fall_silent()
        with pytest.raises(NoAnswer):
            connection.execute("SELECT 1")
        assert connection.closed


def test_the_intake_notices_a_silent_fail_over(direct_database_url: str) -> None:
    """One call is told to come again. The connections beside its own are renewed before the next one needs them."""
    with forwarding(direct_database_url) as way:
        pool = Database(way.url, pool_size=4, pool_timeout_seconds=5, statement_timeout_seconds=0.5)
        try:
            assert pool.answers()
            way.fall_silent()
            with pytest.raises(DatabaseOutOfReach):
                pool.rows("is_there")
            assert pool.rows("is_there")
        finally:
            pool.close()


async def test_reference_data_notices_a_silent_fail_over(direct_database_url: str) -> None:
    async with Forwarder(direct_database_url).running() as way:
        pool = create_pool(Settings(database_url=way.url))
        await pool.open(wait=True)
        try:
            way.fall_silent()
            with suppress(psycopg.OperationalError):  # the caller's wait may be over before the new connection is there
                async with pool.connection():
                    pass
            await pool.wait(timeout=30)
            async with pool.connection() as connection:
                assert await (await connection.execute("SELECT 1 AS one")).fetchone() == {"one": 1}
        finally:
            await pool.close()


def test_the_intake_leaves_a_server_that_is_no_primary_any_more(
    direct_database_url: str, db: psycopg.Connection[Any]
) -> None:
    pool = Database(direct_database_url, pool_size=2, pool_timeout_seconds=5, statement_timeout_seconds=5)

    def write(connection: psycopg.Connection[Any]) -> None:
        connection.execute("UPDATE watchers SET waiting = waiting")

    try:
        pool.transaction(lambda connection: connection.execute("SET SESSION default_transaction_read_only = on"))
        pool.transaction(write)
    finally:
        pool.close()


def test_an_idle_connection_that_the_server_closed_is_renewed(impatient: Settings, db: psycopg.Connection[Any]) -> None:
    with Publisher(impatient.database_url, impatient) as publisher:
        publisher.publish()
        db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'publisher'")
        with suppress(psycopg.OperationalError):
            publisher.publish()
        publisher.publish()


@pytest.mark.skipif(bool(POOLER), reason="makes a pooler of its own")
@pytest.mark.skipif(which("pgbouncer") is None, reason="no pgbouncer is installed")
@pytest.mark.parametrize("mode", ["session", "transaction"])
async def test_behind_pgbouncer(mode: str, postgres_url: str, direct_database_url: str) -> None:
    """Nothing is refused at the start; where settings are not kept, the bound on our side holds."""
    name = psycopg.conninfo.conninfo_to_dict(direct_database_url)["dbname"]
    with pooled(postgres_url, mode) as pooler_url:
        url = database_url(pooler_url, str(name))
        settings = Settings(database_url=url, statement_timeout_seconds=0.5)
        async with await database.connect(url, settings, application_name="x") as connection:
            assert connection.prepare_threshold is None
            for _ in range(20):
                await connection.execute("SELECT %s::int", [1])
            with pytest.raises(psycopg.OperationalError):  # PostgreSQL's own time-out, or ours
                await connection.execute("SELECT pg_sleep(30)")
        pool = Database(url, pool_size=4, pool_timeout_seconds=5, statement_timeout_seconds=5)
        try:
            for _ in range(20):
                assert pool.rows("is_there")
        finally:
            pool.close()


async def test_without_a_pooler_statements_are_prepared(direct_database_url: str) -> None:
    session = Session("x", connect_timeout_seconds=3)
    with open_blocking(direct_database_url, session) as connection:
        assert connection.prepare_threshold == database.PREPARE_AFTER
