"""A function for a request's last error, which lists, dashboards, retriggers and searches use.

Runs: before the code that needs it.
"""

from alembic import op

revision = "0100"
down_revision = "0082"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create it. PostgreSQL inlines it (SETOF, STABLE, one SELECT), so it costs no more than its statement."""
    op.execute("""
        CREATE FUNCTION last_error(of_request_id bigint) RETURNS SETOF request_errors
        LANGUAGE sql STABLE PARALLEL SAFE ROWS 1 AS $$
            SELECT * FROM request_errors WHERE request_id = of_request_id ORDER BY error_id DESC LIMIT 1
        $$""")


def downgrade() -> None:
    """Drop it. Each statement then has its own subquery again."""
    op.execute("DROP FUNCTION last_error")
