"""job_items: what each job of include/jobs/kit.py has done. A new job needs no table.

Runs: before the code that needs it.
"""

from alembic import op

revision = "0181"
down_revision = "0170"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.execute("""
        CREATE TABLE job_items (
            request_id bigint NOT NULL REFERENCES document_requests ON DELETE CASCADE,
            job text NOT NULL,
            due_at timestamptz NOT NULL DEFAULT now(),  -- not before this: a back-off, or a look-up that has to wait
            tries integer NOT NULL DEFAULT 0,           -- in a row, without an effect
            deaths integer NOT NULL DEFAULT 0,          -- workers in a row that died while they held it
            slice_id bigint,                            -- the slice that holds it or worked it last
            lease_token bigint,
            lease_until timestamptz,
            intent_at timestamptz,  -- since when its effect is unsure; null: surely none, or done
            data jsonb,             -- the row of the job's query, while there is an intent
            done_at timestamptz,
            result text,
            refused_why text,       -- why a person is needed; null: nobody is
            PRIMARY KEY (request_id, job),
            CONSTRAINT an_item_lease_is_whole CHECK ((lease_token IS NULL) = (lease_until IS NULL)),
            CONSTRAINT a_done_item_is_at_rest CHECK (done_at IS NULL
                OR (lease_token IS NULL AND intent_at IS NULL AND refused_why IS NULL))
        )""")
    # lock_due_items
    op.execute("""CREATE INDEX due_items ON job_items (job, due_at, request_id)
                  WHERE done_at IS NULL AND refused_why IS NULL""")
    # hold_items, requests_of_slices
    op.execute("CREATE INDEX items_of_slice ON job_items (slice_id) WHERE slice_id IS NOT NULL")


def downgrade() -> None:
    """Drop the record of what these jobs have done. What they did stays."""
    op.execute("DROP TABLE job_items")
