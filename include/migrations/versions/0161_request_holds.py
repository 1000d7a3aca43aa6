"""request_holds: requests that no job claims until an operator releases them.

Runs: before the code that needs it.
"""

from alembic import op

revision = "0161"
down_revision = "0110"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table. A hold names a source system, document type or document name; requests must match all."""
    op.execute("""
        CREATE TABLE request_holds (
            hold_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            source_system text,
            document_type text,
            document_name text,
            reason text NOT NULL,
            held_by text NOT NULL,
            held_at timestamptz NOT NULL DEFAULT now(),
            until timestamptz,  -- the hold ends by itself then; null: only a release ends it
            released_by text,
            released_at timestamptz,
            CONSTRAINT a_hold_holds_something CHECK (num_nonnulls(source_system, document_type, document_name) > 0),
            CONSTRAINT released_by_somebody CHECK ((released_at IS NULL) = (released_by IS NULL))
        )""")
    # holds: a claim reads the holds in force, and these are few.
    op.execute("CREATE INDEX holds_in_force ON request_holds (hold_id) WHERE released_at IS NULL")


def downgrade() -> None:
    """Drop the holds. Requests that were held are claimed."""
    op.execute("DROP TABLE request_holds")
