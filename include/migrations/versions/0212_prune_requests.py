"""Erased requests are deleted once their correlation id needs to be remembered no longer.

Runs: before or after the code. The index is built concurrently, and holds erased requests only: an entry is written
when a request is erased.
"""

from alembic import op

revision = "0212"
down_revision = "0211"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the index, and let the daily duty begin."""
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS erased_requests")
        # prune_requests: the oldest first.
        op.execute(
            "CREATE INDEX CONCURRENTLY erased_requests ON document_requests (ended_at) WHERE erased_at IS NOT NULL"
        )
    op.execute("INSERT INTO daily_duties (duty) VALUES ('prune_requests') ON CONFLICT DO NOTHING")


def downgrade() -> None:
    """Drop both. What was deleted is gone."""
    op.execute("DELETE FROM daily_duties WHERE duty = 'prune_requests'")
    op.execute("DROP INDEX erased_requests")
