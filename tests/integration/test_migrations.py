"""The migrations add up to the schema, and every one can be taken back."""

import psycopg

from include.oms.testing.postgres import create_database, database_url, migrate

TABLES = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"


def test_upgrade_downgrade_upgrade(postgres_url: str) -> None:
    create_database(postgres_url, "oms_migrations")
    url = database_url(postgres_url, "oms_migrations")
    migrate(url, "upgrade", "head")
    with psycopg.connect(url) as connection:
        before = connection.execute(TABLES).fetchone()
    migrate(url, "downgrade", "base")
    with psycopg.connect(url) as connection:
        assert connection.execute(TABLES).fetchone() == (1,)  # alembic_version stays
    migrate(url, "upgrade", "head")
    with psycopg.connect(url) as connection:
        assert connection.execute(TABLES).fetchone() == before
