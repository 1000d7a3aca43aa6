"""reference_data_history: what each row of reference data and configuration was, and who changed it.

Runs: before the code that needs it.
"""

from alembic import op

revision = "0193"
down_revision = "0180"
branch_labels = None
depends_on = None

TABLES = ("reference_data", "document_configurations")


def upgrade() -> None:
    """Create a table that accepts new rows only, which triggers fill whoever writes."""
    op.execute("""
        CREATE TABLE reference_data_history (
            entry_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            kind text NOT NULL CHECK (kind IN ('reference_data', 'document_configurations')),
            row_id bigint NOT NULL,
            at timestamptz NOT NULL DEFAULT clock_timestamp(),
            changed_by text,    -- the subject of the token; null: a statement in the database
            before jsonb,       -- null: the row is new
            after jsonb         -- null: the row was deleted
        )""")
    # history_of_row: the changes of one row, newest first.
    op.execute("CREATE INDEX history_of_row ON reference_data_history (kind, row_id, entry_id)")
    op.execute("""
        CREATE FUNCTION keep_reference_data_history() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO reference_data_history (kind, row_id, changed_by, before, after)
            VALUES (TG_TABLE_NAME, coalesce(NEW.id, OLD.id), nullif(current_setting('oms.actor', true), ''),
                    to_jsonb(OLD) - 'updated_at', to_jsonb(NEW) - 'updated_at');
            RETURN NULL;
        END $$""")
    op.execute("""
        CREATE FUNCTION refuse_change_of_history() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% only grows: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
        END $$""")
    for table in TABLES:
        op.execute(f"""
            CREATE TRIGGER {table}_keeps_its_history AFTER INSERT OR UPDATE OR DELETE ON {table}
            FOR EACH ROW EXECUTE FUNCTION keep_reference_data_history()""")
    op.execute("""
        CREATE TRIGGER history_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON reference_data_history
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_history()""")


def downgrade() -> None:
    """Drop the history."""
    for table in TABLES:
        op.execute(f"DROP TRIGGER {table}_keeps_its_history ON {table}")
    op.execute("DROP TABLE reference_data_history")
    op.execute("DROP FUNCTION keep_reference_data_history")
    op.execute("DROP FUNCTION refuse_change_of_history")
