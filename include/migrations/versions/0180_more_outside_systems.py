"""outside_systems takes any system: a job may call one of its own.

Runs: before the code that needs it.
"""

from alembic import op

revision = "0180"
down_revision = "0192"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Allow any name. The rows come from include/oms/outside/systems.toml, after each run of the migrations."""
    # It allows more than before, so nobody who relies on it is misled, and the three rows that there are fit it.
    op.execute("""-- squawk-ignore ban-drop-constraint
                  ALTER TABLE outside_systems DROP CONSTRAINT outside_systems_system_check""")
    op.execute("""ALTER TABLE outside_systems ADD CONSTRAINT outside_systems_system_check
                  CHECK (system ~ '^[A-Z][A-Z0-9_]{0,39}$') NOT VALID""")


def downgrade() -> None:
    """Allow the three systems of OMS itself. The settings of the others are lost."""
    op.execute("DELETE FROM outside_systems WHERE system NOT IN ('THUNDERHEAD', 'REFERENCE_DATA', 'KAFKA')")
    op.execute("ALTER TABLE outside_systems DROP CONSTRAINT outside_systems_system_check")
    op.execute("""ALTER TABLE outside_systems ADD CONSTRAINT outside_systems_system_check
                  CHECK (system IN ('THUNDERHEAD', 'REFERENCE_DATA', 'KAFKA'))""")
