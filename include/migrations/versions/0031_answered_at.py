"""The last answer of an outside system: it tells a failure of a request from an outage.

Runs: before the code that needs it.
"""

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; null: no answer yet."""
    op.execute("ALTER TABLE outside_systems ADD COLUMN answered_at timestamptz")


def downgrade() -> None:
    """Drop the column."""
    op.execute("ALTER TABLE outside_systems DROP COLUMN answered_at")
