"""resolved_at: a red request that no longer needs a person, since somebody has seen to it.

Runs: before the code that needs it.
"""

from alembic import op

revision = "0162"
down_revision = "0161"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Null: nobody has resolved it. Its status and its event stay as they are; a retrigger sets it back to null."""
    op.execute("ALTER TABLE document_requests ADD COLUMN resolved_at timestamptz")


def downgrade() -> None:
    """What was resolved needs a person again."""
    op.execute("ALTER TABLE document_requests DROP COLUMN resolved_at")
