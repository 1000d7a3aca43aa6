"""request_holds: what is not claimed until somebody releases it.

Runs: before the code that needs it.
"""

from alembic import op

revision = "0161"
down_revision = "0110"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A hold names a source system, a document type, a document, or several of them; it holds what matches all."""
    op.execute("""
        CREATE TABLE request_holds (
            hold_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            source_system text,
            document_type text,
            document_name text,
            reason text NOT NULL,
            held_by text NOT NULL,
            held_at timestamptz NOT NULL DEFAULT now(),
            until timestamptz,  -- it then ends by itself; null: when it is released
            released_by text,
            released_at timestamptz,
            CONSTRAINT a_hold_holds_something CHECK (num_nonnulls(source_system, document_type, document_name) > 0),
            CONSTRAINT released_by_somebody CHECK ((released_at IS NULL) = (released_by IS NULL))
        )""")
    # holds: a claim looks at those in force, and they are few.
    op.execute("CREATE INDEX holds_in_force ON request_holds (hold_id) WHERE released_at IS NULL")


def downgrade() -> None:
    """Everything that was held is claimed."""
    op.execute("DROP TABLE request_holds")
