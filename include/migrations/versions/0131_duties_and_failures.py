"""Tables for daily duties (when each was last done) and for the causes of red task instances (one alert a cause).

Runs: before the code that needs it.
"""

from alembic import op

revision = "0131"
down_revision = "0130"
branch_labels = None
depends_on = None

DAILY_DUTIES = """
    CREATE TABLE daily_duties (
        duty text PRIMARY KEY,
        done_at timestamptz NOT NULL DEFAULT now()  -- when it was last completed
    )"""

FAILURE_ALARMS = """
    CREATE TABLE failure_alarms (
        cause text PRIMARY KEY,                    -- DAG, task and reason, without the numbers in it
        number integer NOT NULL DEFAULT 1,         -- task instances that turned red for this cause
        told_number integer NOT NULL DEFAULT 0,    -- how many of them the operators were told
        link text NOT NULL,                        -- to the newest task instance
        began_at timestamptz NOT NULL DEFAULT now(),
        last_at timestamptz NOT NULL DEFAULT now()
    )"""


def upgrade() -> None:
    """Create both tables. These duties are late if not done within a day; others count after their first time."""
    op.execute(DAILY_DUTIES)
    op.execute("""INSERT INTO daily_duties (duty)
                  VALUES ('reconciliation'), ('erase_content'), ('prune_events'), ('prune_slices')""")
    op.execute(FAILURE_ALARMS)


def downgrade() -> None:
    """Drop both. Only Airflow shows a missed duty then, and each red task instance sends its own alert."""
    op.execute("DROP TABLE daily_duties, failure_alarms")
