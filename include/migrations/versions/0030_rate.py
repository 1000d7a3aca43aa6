"""The dial's rate: where the line of an outside system's calls ends.

Runs: before the code that needs it.
"""

from alembic import op

revision = "0030"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """When the next call may be made that has no place yet; null: at once."""
    op.execute("ALTER TABLE outside_systems ADD COLUMN next_call_at timestamptz")


def downgrade() -> None:
    """Back to no memory of it."""
    op.execute("ALTER TABLE outside_systems DROP COLUMN next_call_at")
