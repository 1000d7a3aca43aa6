"""Slices at work: the lease of a worker on its slice, so that others can see whether it is being worked.

Runs: before the code that needs it.
"""

from alembic import op

revision = "0080"
down_revision = "0070"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the lease. Null: closed, or from the release before. Older code ignores it."""
    op.execute("ALTER TABLE slices ADD COLUMN lease_until timestamptz")
    # slices_at_work: open slices. A slice whose worker died stays in the index until housekeeping deletes it.
    op.execute("""CREATE INDEX open_slices ON slices (job, lease_until)
                  WHERE closed_at IS NULL AND lease_until IS NOT NULL""")


def downgrade() -> None:
    """Drop the lease of slices."""
    op.execute("ALTER TABLE slices DROP COLUMN lease_until")
