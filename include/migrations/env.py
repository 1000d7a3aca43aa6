"""Alembic's entry: one connection to OMS_DATABASE_URL, one transaction a migration."""

from alembic import context
from sqlalchemy import create_engine, pool

from include.oms.base.settings import settings


def run() -> None:
    """Apply the migrations that are asked for; never wait for another session's lock beyond 10 s."""
    url = settings().database_url.replace("postgresql://", "postgresql+psycopg://", 1)
    engine = create_engine(url, poolclass=pool.NullPool, connect_args={"options": "-c lock_timeout=10s"})
    with engine.connect() as connection:
        context.configure(connection=connection, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()


run()
