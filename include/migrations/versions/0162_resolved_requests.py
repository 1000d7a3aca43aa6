"""resolved_at: an operator has resolved a red request, so it no longer needs a person.

Runs: before the code that needs it.
"""

from alembic import op

revision = "0162"
down_revision = "0161"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column. Null: not resolved. Status and final event do not change; a retrigger sets it to null."""
    op.execute("ALTER TABLE document_requests ADD COLUMN resolved_at timestamptz")


def downgrade() -> None:
    """Drop the column. Resolved requests need a person again."""
    op.execute("ALTER TABLE document_requests DROP COLUMN resolved_at")
