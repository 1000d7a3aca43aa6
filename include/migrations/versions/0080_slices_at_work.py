"""Slices at work: how long a worker's hold on its slice lasts, so that all can see who is at it.

Runs: before the code that needs it.
"""

from alembic import op

revision = "0080"
down_revision = "0070"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Null: of the release before, or closed. Older code goes on as if nobody were at it."""
    op.execute("ALTER TABLE slices ADD COLUMN lease_until timestamptz")
    # slices_at_work: what is open; a slice whose worker died stays in it until housekeeping.
    op.execute("""CREATE INDEX open_slices ON slices (job, lease_until)
                  WHERE closed_at IS NULL AND lease_until IS NOT NULL""")


def downgrade() -> None:
    """Back to slices that are claimed, worked and over."""
    op.execute("ALTER TABLE slices DROP COLUMN lease_until")
