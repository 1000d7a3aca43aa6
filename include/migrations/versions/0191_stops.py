"""stop_of: why a queued request is not claimed; a pause's end; limits of source systems.

Runs: before the code that needs it.
"""

from alembic import op

revision = "0191"
down_revision = "0190"
branch_labels = None
depends_on = None

STOP_OF = """
    CREATE FUNCTION stop_of(of_source_system text, of_document_type text, of_document_name text)
    RETURNS TABLE (hold_id bigint) LANGUAGE sql STABLE PARALLEL SAFE ROWS 1 AS $$
        SELECT h.hold_id FROM request_holds h
        WHERE h.released_at IS NULL AND (h.until IS NULL OR h.until > now())
          AND (h.source_system IS NULL OR h.source_system = of_source_system)
          AND (h.document_type IS NULL OR h.document_type = of_document_type)
          AND (h.document_name IS NULL OR h.document_name = of_document_name)
        UNION ALL
        SELECT NULL FROM outside_systems o
        WHERE o.system = 'THUNDERHEAD' AND o.document_type = of_document_type AND o.paused_at IS NOT NULL
    $$"""
LIMITS = """
    CREATE TABLE source_system_limits (
        source_system text PRIMARY KEY,
        most_in_flight integer NOT NULL CHECK (most_in_flight > 0),  -- requests in hand and at Thunderhead
        set_by text NOT NULL,
        set_at timestamptz NOT NULL DEFAULT now()
    )"""


def upgrade() -> None:
    """Create the function, which PostgreSQL inlines and which replaces hold_of; a column, and a table."""
    # hold_of is of this release (0190): no code of the last release calls it.
    op.execute("-- squawk-ignore ban-drop-function\nDROP FUNCTION hold_of")
    op.execute(STOP_OF)
    # end_what_is_over: a pause ends by itself then; null: only an operator ends it.
    op.execute("ALTER TABLE outside_systems ADD COLUMN paused_until timestamptz")
    op.execute(LIMITS)


def downgrade() -> None:
    """Pauses have no end of their own, source systems no limits."""
    op.execute("DROP TABLE source_system_limits")
    op.execute("ALTER TABLE outside_systems DROP COLUMN paused_until")
    op.execute("DROP FUNCTION stop_of")
    op.execute("""
        CREATE FUNCTION hold_of(of_source_system text, of_document_type text, of_document_name text)
        RETURNS SETOF request_holds LANGUAGE sql STABLE PARALLEL SAFE ROWS 1 AS $$
            SELECT * FROM request_holds
            WHERE released_at IS NULL AND (until IS NULL OR until > now())
              AND (source_system IS NULL OR source_system = of_source_system)
              AND (document_type IS NULL OR document_type = of_document_type)
              AND (document_name IS NULL OR document_name = of_document_name)
        $$""")
