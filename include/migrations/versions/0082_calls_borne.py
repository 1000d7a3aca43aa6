"""What all slices together got through to an outside system before it asked for fewer calls.

Runs: before the code that needs it.
"""

from alembic import op

revision = "0082"
down_revision = "0081"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Added up by the slices within a second of ``limited_at``."""
    op.execute("""ALTER TABLE outside_systems
        ADD COLUMN borne_per_second integer,    -- null: somebody does not know
        ADD COLUMN bearable_before numeric      -- bearable_per_second as it was at limited_at""")


def downgrade() -> None:
    """Back to each slice's own guess."""
    op.execute("ALTER TABLE outside_systems DROP COLUMN borne_per_second, DROP COLUMN bearable_before")
