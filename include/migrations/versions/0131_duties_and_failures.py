"""Daily duties, each with when it was last done; and what task instances turn red for, so that one cause is told once.

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
        done_at timestamptz NOT NULL DEFAULT now()  -- last done in full
    )"""

FAILURE_ALARMS = """
    CREATE TABLE failure_alarms (
        cause text PRIMARY KEY,                    -- DAG, task and reason, without the numbers in it
        number integer NOT NULL DEFAULT 1,         -- task instances that turned red for it
        told_number integer NOT NULL DEFAULT 0,    -- how many of them the operators know of
        link text NOT NULL,                        -- the newest one
        began_at timestamptz NOT NULL DEFAULT now(),
        last_at timestamptz NOT NULL DEFAULT now()
    )"""


def upgrade() -> None:
    """A duty that is not done from now on is late a day later. Others get a row when they are first done."""
    op.execute(DAILY_DUTIES)
    op.execute("""INSERT INTO daily_duties (duty)
                  VALUES ('reconciliation'), ('erase_content'), ('prune_events'), ('prune_slices')""")
    op.execute(FAILURE_ALARMS)


def downgrade() -> None:
    """A duty that is not done is seen in Airflow alone; each red task instance is told of by itself."""
    op.execute("DROP TABLE daily_duties, failure_alarms")
