"""The outbox: publishers claim events by a lease, and each topic and each event backs off by itself.

Runs: before the code that needs it. Other sessions are not blocked: the new columns are null, and the new index is
built before the old one is dropped.
"""

from alembic import op

revision = "0130"
down_revision = "0100"
branch_labels = None
depends_on = None

WAITS = "published_at IS NULL AND set_aside_at IS NULL"

EVENT_TOPICS = """
    CREATE TABLE event_topics (         -- topics that accepted no event at the last try; a working topic has no row
        topic text PRIMARY KEY,         -- empty text: the default topic
        failures integer NOT NULL DEFAULT 1 CHECK (failures > 0),  -- tries in a row without an accepted event
        next_try_at timestamptz NOT NULL,
        refused_since timestamptz,      -- the broker says that the topic is missing or forbidden; null: it does not
        last_error text NOT NULL
    )"""

OF_TOPIC = f"FROM final_events e WHERE {WAITS} AND coalesce(e.topic, '') = t.topic"

WAITING_TOPICS = f"""
    -- The topics for which events wait, and when one of them may be published next. Empty while Kafka is paused.
    -- It costs one index probe a topic. Events that a publisher has claimed, or that back off, are skipped.
    CREATE VIEW waiting_topics AS
    WITH RECURSIVE topics AS (
        (SELECT coalesce(topic, '') AS topic FROM final_events WHERE {WAITS} ORDER BY coalesce(topic, '') LIMIT 1)
        UNION ALL
        SELECT (SELECT coalesce(e.topic, '') FROM final_events e
                WHERE {WAITS} AND coalesce(e.topic, '') > t.topic ORDER BY coalesce(e.topic, '') LIMIT 1)
        FROM topics t WHERE t.topic IS NOT NULL
    )
    SELECT t.topic, f.failures, f.next_try_at,
           greatest(f.next_try_at, coalesce(
               (SELECT e.created_at {OF_TOPIC}
                  AND coalesce(e.lease_until < now(), true) AND coalesce(e.next_try_at <= now(), true)
                ORDER BY e.event_seq LIMIT 1),
               (SELECT min(greatest(e.lease_until, e.next_try_at)) {OF_TOPIC}))) AS due_at
    FROM topics t LEFT JOIN event_topics f USING (topic)
    WHERE t.topic IS NOT NULL
      AND NOT EXISTS (SELECT FROM outside_systems
                      WHERE system = 'KAFKA' AND document_type = '*' AND paused_at IS NOT NULL)"""  # noqa: S608


def upgrade() -> None:
    """Find events by their topic, so that events of a broken topic do not delay the others."""
    op.execute("""ALTER TABLE final_events
                  ADD COLUMN lease_token bigint,       -- of the publisher that has claimed it
                  ADD COLUMN lease_until timestamptz,
                  ADD COLUMN next_try_at timestamptz,  -- its own back-off; null: none
                  ADD CONSTRAINT an_event_lease_is_whole
                      CHECK ((lease_token IS NULL) = (lease_until IS NULL)) NOT VALID""")
    op.execute(EVENT_TOPICS)
    op.execute(WAITING_TOPICS)
    _replace(
        "waiting_events", f"waiting_events_by_topic ON final_events (coalesce(topic, ''), event_seq) WHERE {WAITS}"
    )
    op.execute("ALTER TABLE final_events VALIDATE CONSTRAINT an_event_lease_is_whole")


def downgrade() -> None:
    """Drop the claims. Publishers then hold a transaction open while they wait for the broker."""
    _replace("waiting_events_by_topic", f"waiting_events ON final_events (event_seq) WHERE {WAITS}")
    op.execute("DROP VIEW waiting_topics")
    op.execute("DROP TABLE event_topics")
    op.execute("ALTER TABLE final_events DROP COLUMN lease_token, DROP COLUMN lease_until, DROP COLUMN next_try_at")


def _replace(old: str, new: str) -> None:
    """Create an index, then drop another. PostgreSQL requires this outside of a transaction."""
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {new.split()[0]}")
        op.execute(f"CREATE INDEX CONCURRENTLY {new}")
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {old}")
