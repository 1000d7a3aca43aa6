"""Texts from outside: a place of their own for those of the kit's jobs, and none where everybody reads.

Runs: before the code that needs it.
"""

from alembic import op

revision = "0240"
down_revision = "0220"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column and the record of a pass; remove texts that may be foreign. The tables of these texts are small."""
    op.execute("ALTER TABLE job_items ADD COLUMN said text")  # of the outside system that refused
    # oms_housekeeping: what releases before 0.2.0 erased still has free texts. One row; next_id beyond last_id: done.
    op.execute("""
        CREATE TABLE erasures_to_check (
            next_id bigint NOT NULL,
            last_id bigint NOT NULL
        )""")
    op.execute("INSERT INTO erasures_to_check SELECT 1, coalesce(max(request_id), 0) FROM document_requests")
    op.execute("UPDATE outside_systems SET last_error = NULL WHERE last_error IS NOT NULL")
    op.execute("DELETE FROM failure_alarms")
    op.execute("""UPDATE final_events SET set_aside_reason = 'the producer did not take it'
                  WHERE set_aside_at IS NOT NULL AND set_aside_reason
                      !~ '^(TOPIC_NAME |Broker: |Local: |no acknowledgement |a later end )'""")


def downgrade() -> None:
    """Drop what was added. The texts that were removed do not come back."""
    op.execute("DROP TABLE erasures_to_check")
    op.execute("ALTER TABLE job_items DROP COLUMN said")
