"""own_text, error_cause: which error texts everybody may read, and what groups failures that have one cause.

Runs: before the code that needs it.
"""

from alembic import op

revision = "0192"
down_revision = "0191"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create two functions, which PostgreSQL inlines."""
    # The texts of these categories are sentences of our own. All others may quote what a request holds.
    op.execute("""
        CREATE FUNCTION own_text(category text, description text) RETURNS text
        LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
            SELECT CASE WHEN category IN ('CONFIGURATION_ERROR', 'BATCH_UNKNOWN', 'OVERDUE', 'DOCUMENT_ID_MISSING',
                                          'WORKER_DIED', 'CANCELLED') THEN description END
        $$""")
    # Without what differs between requests: numbers, and what stands in quotes.
    op.execute("""
        CREATE FUNCTION error_cause(description text) RETURNS text
        LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
            SELECT left(regexp_replace(regexp_replace(description, '"[^"]*"|''[^'']*''', '"…"', 'g'),
                                       '[[:alnum:]]*[0-9][[:alnum:]]*', '#', 'g'), 300)
        $$""")


def downgrade() -> None:
    """Drop them."""
    op.execute("DROP FUNCTION error_cause")
    op.execute("DROP FUNCTION own_text")
