"""Watchers: which of them wait for a notification of work, and an index for the next due request.

Runs: before the code that needs it.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One row a job. NOTIFY serialises commits, so only the first commit after a watcher began to wait sends it."""
    op.execute("""
        CREATE TABLE watchers (
            job text PRIMARY KEY CHECK (job IN ('document_processing', 'document_monitoring')),
            waiting boolean NOT NULL DEFAULT false
        )""")
    op.execute("INSERT INTO watchers (job) VALUES ('document_processing'), ('document_monitoring')")
    # processing_due_in: when the next queued request is due.
    op.execute("CREATE INDEX queued_requests_by_due_at ON document_requests (due_at) WHERE status = 'QUEUED'")


def downgrade() -> None:
    """The watchers then check for work once an interval only."""
    op.execute("DROP INDEX queued_requests_by_due_at")
    op.execute("DROP TABLE watchers")
