"""document_archive: the table of archived documents; slices for any job.

Runs: before the code that needs it.
"""

from alembic import op

revision = "0060"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Allow any job name. A new job then needs at most one table of its own, and no change to other tables."""
    op.execute("""ALTER TABLE slices DROP CONSTRAINT slices_job_check,
                  ADD CONSTRAINT slices_job_check CHECK (job ~ '^[a-z_]+$')""")
    op.execute("""
        CREATE TABLE archived_documents (
            request_id bigint PRIMARY KEY REFERENCES document_requests ON DELETE CASCADE,
            ended_at timestamptz NOT NULL,  -- end of the request: how far the job has come
            slice_id bigint,                -- the slice that holds it, archived it or gave it up
            lease_token bigint,
            lease_until timestamptz,
            archived_at timestamptz,
            file text,                      -- path in the archive's folder
            given_up_why text,              -- why a person is needed; null: nobody is
            CONSTRAINT archived_in_a_file CHECK ((archived_at IS NULL) = (file IS NULL)),
            CONSTRAINT an_archive_lease_is_whole CHECK ((lease_token IS NULL) = (lease_until IS NULL)),
            CONSTRAINT only_what_is_open_is_leased CHECK (lease_token IS NULL OR archived_at IS NULL)
        )""")
    # note_documents_to_archive: how far the job has come.
    op.execute("CREATE INDEX archive_by_end ON archived_documents (ended_at)")
    # claim_documents_to_archive: documents that are not archived yet.
    op.execute("""CREATE INDEX documents_to_archive ON archived_documents (request_id)
                  WHERE archived_at IS NULL AND given_up_why IS NULL""")


def downgrade() -> None:
    """Drop the record of the archive and the slices of other jobs. The archived files stay."""
    op.execute("DROP TABLE archived_documents")
    op.execute("DELETE FROM slices WHERE job NOT IN ('document_processing', 'document_monitoring')")
    op.execute("""ALTER TABLE slices DROP CONSTRAINT slices_job_check,
                  ADD CONSTRAINT slices_job_check CHECK (job IN ('document_processing', 'document_monitoring'))""")
