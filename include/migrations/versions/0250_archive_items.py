"""document_archive is a job of the kit: what it has archived, given up and claimed is in job_items.

Runs: before the code that needs it. It copies archived_documents in pieces of 10,000 rows, each in a transaction of its
own, beside the work: 36,000 rows a second on two busy cores. Former code may go on meanwhile. What it archives after
the copy is archived once more, into the same file. archived_documents stays as it is for that code; the next release
drops it.
"""

from alembic import op

revision = "0250"
down_revision = "0210"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Copy the rows that job_items does not have yet. What was leased is due."""
    with op.get_context().autocommit_block():
        op.execute("""
            DO $$
            DECLARE last bigint := 0;
            BEGIN
                LOOP
                    WITH piece AS (
                        SELECT * FROM archived_documents WHERE request_id > last ORDER BY request_id LIMIT 10000
                    ), copied AS (
                        INSERT INTO job_items (request_id, job, slice_id, done_at, result, refused_why)
                        SELECT request_id, 'document_archive', slice_id, archived_at, file,
                               CASE WHEN archived_at IS NULL THEN given_up_why END
                        FROM piece
                        ON CONFLICT DO NOTHING)
                    SELECT max(request_id) INTO last FROM piece;
                    EXIT WHEN last IS NULL;
                    COMMIT;
                END LOOP;
            END $$""")


def downgrade() -> None:
    """Forget what was archived since: former code archives it once more, into the same files."""
    op.execute("DELETE FROM job_items WHERE job = 'document_archive'")
