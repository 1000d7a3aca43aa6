"""source_system_limits: a rate of calls beside the requests in flight, and an end.

Runs: before the code that needs it. The table is of this release and has a row for each source system with a limit.
"""

from alembic import op

revision = "0261"
down_revision = "0260"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns. A limit has one of both numbers, or both."""
    op.execute("""
        -- squawk-ignore ban-drop-not-null
        ALTER TABLE source_system_limits ALTER COLUMN most_in_flight DROP NOT NULL""")
    op.execute("""
        ALTER TABLE source_system_limits
            ADD COLUMN most_per_second numeric,  -- calls that submit a document of it to Thunderhead
            ADD COLUMN next_call_at timestamptz, -- take_places: the next place in its line
            ADD COLUMN until timestamptz         -- the limit ends by itself then; null: only an operator ends it
    """)
    op.execute("""
        ALTER TABLE source_system_limits
            ADD CONSTRAINT a_rate_is_positive CHECK (most_per_second > 0) NOT VALID,
            ADD CONSTRAINT a_limit_limits_something CHECK (num_nonnulls(most_in_flight, most_per_second) > 0) NOT VALID
    """)


def downgrade() -> None:
    """Source systems have limits of requests in flight alone."""
    op.execute("DELETE FROM source_system_limits WHERE most_in_flight IS NULL")
    op.execute("""
        ALTER TABLE source_system_limits DROP CONSTRAINT a_rate_is_positive, DROP CONSTRAINT a_limit_limits_something,
            DROP COLUMN most_per_second, DROP COLUMN next_call_at, DROP COLUMN until,
            ALTER COLUMN most_in_flight SET NOT NULL
    """)
