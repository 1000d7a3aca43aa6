"""needs_person: an index of the red requests that nobody has resolved and that have their content.

Runs: before the code that needs it. It is built beside the work (CONCURRENTLY).
"""

from alembic import op

revision = "0263"
down_revision = "0262"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create it. The dashboard asks every few seconds; red_requests grows with the history."""
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS needs_person")
        # stock, red_by_category, failures, select_requests with the state needs_person.
        op.execute("""
            CREATE INDEX CONCURRENTLY needs_person ON document_requests (request_id)
            WHERE status IN ('FAILED', 'STOPPED') AND erased_at IS NULL AND resolved_at IS NULL""")


def downgrade() -> None:
    """Drop it. The statements read all red requests of the history."""
    op.execute("DROP INDEX needs_person")
