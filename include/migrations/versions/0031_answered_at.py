"""When an outside system last answered: tells a request's own trouble from an outage.

Runs: before the code that needs it.
"""

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Null: never yet."""
    op.execute("ALTER TABLE outside_systems ADD COLUMN answered_at timestamptz")


def downgrade() -> None:
    """Back to no memory of it."""
    op.execute("ALTER TABLE outside_systems DROP COLUMN answered_at")
