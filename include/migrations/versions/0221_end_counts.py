"""end_counts: how many requests have ended, and how long it took from their acceptance to their event.

Runs: before the code that needs it. Existing events count as counted, without a write to their rows.
"""

from alembic import op

revision = "0221"
down_revision = "0200"
branch_labels = None
depends_on = None

END_COUNTS = """
    CREATE TABLE end_counts (
        document_type text NOT NULL,   -- both are 'other' once there are so many pairs: they are labels of metrics
        source_system text NOT NULL,
        status text NOT NULL CHECK (status IN ('STOPPED', 'FAILED', 'COMPLETED')),
        within_seconds double precision NOT NULL,  -- a bucket's upper bound; 0: a later end of a request, not measured
        number bigint NOT NULL,
        seconds double precision NOT NULL,         -- the sum
        trace_id text,                 -- of the newest one that the client has traced, as an exemplar
        trace_seconds double precision,
        traced_at timestamptz,
        PRIMARY KEY (document_type, source_system, status, within_seconds)
    )"""


def upgrade() -> None:
    """Create the table, and the mark of what is counted. Without it, an event that is published again counts twice."""
    op.execute(END_COUNTS)
    op.execute("ALTER TABLE final_events ADD COLUMN counted boolean NOT NULL DEFAULT true")
    op.execute("ALTER TABLE final_events ALTER COLUMN counted SET DEFAULT false")


def downgrade() -> None:
    """Drop the counts. They begin anew after the next upgrade."""
    op.execute("ALTER TABLE final_events DROP COLUMN counted")
    op.execute("DROP TABLE end_counts")
