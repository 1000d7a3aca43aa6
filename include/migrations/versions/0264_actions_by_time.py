"""actions_by_time: an index of the audit trail by time.

Runs: before the code that needs it. It is built beside the work (CONCURRENTLY).
"""

from alembic import op

revision = "0264"
down_revision = "0263"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create it. A question about March otherwise reads all that was done since."""
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS actions_by_time")
        # operator_actions: by time.
        op.execute("CREATE INDEX CONCURRENTLY actions_by_time ON operator_actions (at)")


def downgrade() -> None:
    """Drop it."""
    op.execute("DROP INDEX actions_by_time")
