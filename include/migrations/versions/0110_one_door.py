"""What all callers of an outside system share: answers and failures, the found rate, and its last submit.

Runs: before the code that needs it.
"""

from alembic import op

revision = "0110"
down_revision = "0160"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns. Those of the release before stay, because its code may still run."""
    op.execute("""ALTER TABLE outside_systems
        ADD COLUMN submit_answered_at timestamptz,                -- null: not yet
        ADD COLUMN recent_answered double precision NOT NULL DEFAULT 0,  -- of the last calls; older calls weigh less
        ADD COLUMN recent_failed double precision NOT NULL DEFAULT 0,
        ADD COLUMN growth double precision NOT NULL DEFAULT 0.01,        -- of bearable_per_second in the next second
        ADD COLUMN window_began_at timestamptz,                   -- the second in which calls are counted
        ADD COLUMN answered_in_window integer NOT NULL DEFAULT 0,
        ADD COLUMN answered_per_second double precision,          -- in the last whole window; null: not known
        ADD COLUMN answered_before double precision               -- in the one before it""")
    op.execute("""ALTER TABLE thunderhead_batches
        ADD COLUMN asked_seconds double precision NOT NULL DEFAULT 0,  -- time in which Thunderhead was polled for it
        ADD COLUMN asked_at timestamptz,                          -- when it last answered that the batch is in work
        ADD COLUMN document_id_missing_since timestamptz          -- COMPLETED at Thunderhead, without a document id""")


def downgrade() -> None:
    """Drop the shared columns. Each caller then has only its own view."""
    op.execute("""ALTER TABLE outside_systems
        DROP COLUMN submit_answered_at, DROP COLUMN recent_answered, DROP COLUMN recent_failed, DROP COLUMN growth,
        DROP COLUMN window_began_at, DROP COLUMN answered_in_window, DROP COLUMN answered_per_second,
        DROP COLUMN answered_before""")
    op.execute("""ALTER TABLE thunderhead_batches
        DROP COLUMN asked_seconds, DROP COLUMN asked_at, DROP COLUMN document_id_missing_since""")
