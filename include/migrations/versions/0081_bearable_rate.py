"""The found rate: the rate that an outside system can bear, found by all slices together.

Runs: before the code that needs it.
"""

from alembic import op

revision = "0081"
down_revision = "0080"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the found rate. Null: the system has not asked for fewer calls, or not for a long time."""
    op.execute("""ALTER TABLE outside_systems
        ADD COLUMN bearable_per_second numeric CHECK (bearable_per_second > 0),
        ADD COLUMN paced_at timestamptz,   -- when bearable_per_second was changed
        ADD COLUMN limited_at timestamptz  -- when the system last asked for fewer calls""")


def downgrade() -> None:
    """Drop the found rate. Only the operators' rate limit stays."""
    op.execute("""ALTER TABLE outside_systems
        DROP COLUMN bearable_per_second, DROP COLUMN paced_at, DROP COLUMN limited_at""")
