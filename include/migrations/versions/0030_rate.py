"""The rate limit of an outside system: the time at which the next call may be made.

Runs: before the code that needs it.
"""

from alembic import op

revision = "0030"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the time of the next call that is not reserved yet; null: immediately."""
    op.execute("ALTER TABLE outside_systems ADD COLUMN next_call_at timestamptz")


def downgrade() -> None:
    """Drop the column."""
    op.execute("ALTER TABLE outside_systems DROP COLUMN next_call_at")
