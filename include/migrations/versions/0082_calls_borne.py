"""The calls of all slices that an outside system answered before it asked for fewer.

Runs: before the code that needs it.
"""

from alembic import op

revision = "0082"
down_revision = "0081"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the sum. The slices add to it within a second of ``limited_at``."""
    op.execute("""ALTER TABLE outside_systems
        ADD COLUMN borne_per_second integer,    -- null: a slice does not know its share
        ADD COLUMN bearable_before numeric      -- bearable_per_second as it was at limited_at""")


def downgrade() -> None:
    """Drop the sum. Each slice estimates by itself again."""
    op.execute("ALTER TABLE outside_systems DROP COLUMN borne_per_second, DROP COLUMN bearable_before")
