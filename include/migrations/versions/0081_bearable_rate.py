"""The rate that an outside system can bear, as the slices find it out together.

Runs: before the code that needs it.
"""

from alembic import op

revision = "0081"
down_revision = "0080"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Null: it has never asked anybody to slow down, or not for long."""
    op.execute("""ALTER TABLE outside_systems
        ADD COLUMN bearable_per_second numeric CHECK (bearable_per_second > 0),
        ADD COLUMN paced_at timestamptz,   -- when it was changed
        ADD COLUMN limited_at timestamptz  -- when it was last asked to slow down""")


def downgrade() -> None:
    """Back to the dial's own rate, and full stops."""
    op.execute("""ALTER TABLE outside_systems
        DROP COLUMN bearable_per_second, DROP COLUMN paced_at, DROP COLUMN limited_at""")
