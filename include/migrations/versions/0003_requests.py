"""Tables for requests, slices, batches, errors, timeline, final events and the settings of outside systems.

Runs: before the code that needs it.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

PRIORITY_HEAD_START = """
    -- A HIGH request has the rank of a NORMAL one that is ten minutes older, a LOW one of one ten minutes younger.
    -- The rank depends on due_at only, so it never has to be updated and one index gives the order.
    CREATE FUNCTION queue_rank(due_at timestamptz, priority text) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
        due_at + CASE priority WHEN 'HIGH' THEN interval '-600 seconds'
                               WHEN 'LOW' THEN interval '600 seconds' ELSE interval '0' END"""

UTC_TEXT = """
    -- An instant as RFC 3339 text in UTC, as in the events.
    CREATE FUNCTION utc_text(instant timestamptz) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE RETURN
        to_char(instant AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""

EVENT_UUID = """
    -- The event id of an end: a version 3 UUID (RFC 9562) of request and revision, so it is always the same.
    CREATE FUNCTION event_uuid(request_id bigint, revision integer) RETURNS uuid
    LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN (
        SELECT (substr(hash, 1, 12) || '3' || substr(hash, 14, 3)
                || to_hex(8 | (('x' || substr(hash, 17, 1))::bit(4)::integer & 3)) || substr(hash, 18))::uuid
        FROM md5('\\x6f1d3f0a6d0c5d3e9c530e7a5d0c9b11'::bytea
                 || convert_to(request_id || '/' || revision, 'UTF8')) AS hash)"""

SLICES = """
    CREATE TABLE slices (
        slice_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        job text NOT NULL CHECK (job IN ('document_processing', 'document_monitoring')),
        dag_run_id text NOT NULL,
        ordinal integer NOT NULL,
        label text NOT NULL,          -- the name in Airflow's grid
        size integer NOT NULL,        -- number of requests that it was cut with
        lease_token bigint NOT NULL DEFAULT nextval('lease_tokens'),  -- of the worker that may write
        generation integer,           -- ti.max_tries of the last worker; a higher one means a clear
        map_index integer,            -- of its task instance in Airflow
        claimed_at timestamptz NOT NULL DEFAULT now(),
        opened_at timestamptz,
        closed_at timestamptz,
        UNIQUE (job, dag_run_id, ordinal)  -- a repeated claim returns the same slices
    )"""

REQUESTS = """
    CREATE TABLE document_requests (
        request_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        source_system text NOT NULL,
        request_correlation_id text NOT NULL CHECK (length(request_correlation_id) BETWEEN 1 AND 100),
        content_hash bytea NOT NULL,  -- SHA-256 of all that the client sent: tells a replay from a conflict
        document_type text NOT NULL,
        document_name text NOT NULL,
        document_language text NOT NULL,
        source_environment text NOT NULL CHECK (source_environment IN ('DEV', 'SIT', 'UAT', 'PROD')),
        priority text NOT NULL DEFAULT 'NORMAL' CHECK (priority IN ('HIGH', 'NORMAL', 'LOW')),
        not_before timestamptz,
        client_subject text NOT NULL,  -- the token's sub
        origin_user text,              -- X-Origin-User
        traceparent text,              -- W3C trace context of the POST
        topic_name text,               -- of its final events, set by enrichment; null: the default topic
        status text NOT NULL DEFAULT 'QUEUED'
            CHECK (status IN ('QUEUED', 'PROCESSING', 'STOPPED', 'FAILED', 'COMPLETED')),
        stage text NOT NULL DEFAULT 'ENRICHMENT'  -- the step at which it stands or ended
            CHECK (stage IN ('ENRICHMENT', 'SUBMISSION', 'GENERATION', 'MONITORING')),
        revision integer NOT NULL DEFAULT 0 CHECK (revision >= 0),   -- ends so far
        attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),   -- submissions so far
        spent integer NOT NULL DEFAULT 0 CHECK (spent >= 0),         -- own failures since the last retrigger
        takeovers integer NOT NULL DEFAULT 0 CHECK (takeovers >= 0), -- workers that died on it, in a row
        due_at timestamptz NOT NULL DEFAULT now(),                   -- it is not claimed before this
        rank_at timestamptz NOT NULL GENERATED ALWAYS AS (queue_rank(due_at, priority)) STORED,
        slice_id bigint REFERENCES slices,  -- the slice that holds it or ended it
        lease_token bigint,                 -- fences writes; every worker has a new one
        lease_until timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        ended_at timestamptz,
        UNIQUE (source_system, request_correlation_id),
        CONSTRAINT ended_at_is_set_at_an_end
            CHECK ((status IN ('STOPPED', 'FAILED', 'COMPLETED')) = (ended_at IS NOT NULL)),
        CONSTRAINT an_end_is_counted CHECK (ended_at IS NULL OR revision > 0),
        CONSTRAINT a_lease_is_whole CHECK ((lease_token IS NULL) = (lease_until IS NULL)),
        CONSTRAINT only_work_is_leased CHECK (lease_until IS NULL OR (status = 'PROCESSING' AND slice_id IS NOT NULL))
    ) WITH (fillfactor = 85)"""

REQUEST_INDEXES = (
    # lock_due_requests: the queue of one source system, in the order of the claim.
    "CREATE INDEX queued_requests ON document_requests (source_system, rank_at) WHERE status = 'QUEUED'",
    # lock_due_requests: leases that have run out.
    "CREATE INDEX leased_requests ON document_requests (lease_until) WHERE lease_until IS NOT NULL",
    # open_slice, retrigger_slice: requests that a slice holds or ended.
    """CREATE INDEX requests_of_slice ON document_requests (slice_id)
       WHERE slice_id IS NOT NULL AND status <> 'COMPLETED'""",
    # find_requests: a source system's requests, newest first.
    "CREATE INDEX requests_of_source_system ON document_requests (source_system, request_id)",
)

PARTS_OF_A_REQUEST = (
    """CREATE TABLE request_payloads (
        request_id bigint PRIMARY KEY REFERENCES document_requests ON DELETE CASCADE,
        content json NOT NULL  -- json, not jsonb: it keeps the text exactly as sent
    )""",
    """CREATE TABLE request_metadata (
        request_id bigint NOT NULL REFERENCES document_requests ON DELETE CASCADE,
        key text NOT NULL,
        value text NOT NULL CHECK (length(value) BETWEEN 1 AND 255),
        PRIMARY KEY (request_id, key)
    )""",
    # find_requests: by metadata, newest first.
    "CREATE INDEX metadata_by_value ON request_metadata (key, value, request_id)",
    """CREATE TABLE request_errors (
        error_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        request_id bigint NOT NULL REFERENCES document_requests ON DELETE CASCADE,
        revision integer NOT NULL,  -- of the end that it led to or would lead to
        attempt integer NOT NULL,
        stage text NOT NULL CHECK (stage IN ('ENRICHMENT', 'SUBMISSION', 'GENERATION', 'MONITORING')),
        category text NOT NULL,
        description text NOT NULL,
        at timestamptz NOT NULL DEFAULT now(),
        slice_id bigint REFERENCES slices  -- leads to the DAG run and the task instance
    )""",
    "CREATE INDEX errors_of_request ON request_errors (request_id, error_id)",
    """CREATE TABLE request_timeline (
        entry_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        request_id bigint NOT NULL REFERENCES document_requests ON DELETE CASCADE,
        at timestamptz NOT NULL DEFAULT clock_timestamp(),
        event text NOT NULL,
        actor text NOT NULL,
        detail jsonb NOT NULL DEFAULT '{}',
        slice_id bigint
    )""",
    "CREATE INDEX timeline_of_request ON request_timeline (request_id, entry_id)",
)

BATCHES = (
    """CREATE TABLE thunderhead_batches (
        batch_key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        request_id bigint NOT NULL REFERENCES document_requests ON DELETE CASCADE,
        attempt integer NOT NULL CHECK (attempt > 0),
        batch_name text NOT NULL UNIQUE CHECK (length(batch_name) <= 100),
        batch_config_id text NOT NULL,
        status text NOT NULL DEFAULT 'PROCESSING_OMS' CHECK (status IN (
            'PROCESSING_OMS', 'PROCESSING_THUNDERHEAD', 'COMPLETED', 'FAILED', 'STOPPED')),
        unsure_since timestamptz DEFAULT now(),  -- a submit may have arrived; null: certainly none has
        unsure_submits integer NOT NULL DEFAULT 0,
        thunderhead_batch_id bigint,
        dms_document_id bigint,
        submitted_at timestamptz,
        next_poll_at timestamptz,
        polls integer NOT NULL DEFAULT 0,
        slice_id bigint REFERENCES slices,
        lease_token bigint,
        lease_until timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        ended_at timestamptz,
        UNIQUE (request_id, attempt),
        CONSTRAINT at_thunderhead_it_has_an_id CHECK (status <> 'PROCESSING_THUNDERHEAD'
            OR (thunderhead_batch_id IS NOT NULL AND next_poll_at IS NOT NULL)),
        CONSTRAINT a_poll_lease_is_whole CHECK ((lease_token IS NULL) = (lease_until IS NULL))
    ) WITH (fillfactor = 85)""",
    # A request has at most one open batch. This constraint prevents a second document.
    """CREATE UNIQUE INDEX one_open_batch_a_request ON thunderhead_batches (request_id)
       WHERE status IN ('PROCESSING_OMS', 'PROCESSING_THUNDERHEAD')""",
    # lock_due_batches: polls that are due.
    "CREATE INDEX due_polls ON thunderhead_batches (next_poll_at) WHERE status = 'PROCESSING_THUNDERHEAD'",
    # find by Thunderhead's id.
    """CREATE INDEX batches_by_thunderhead_id ON thunderhead_batches (thunderhead_batch_id)
       WHERE thunderhead_batch_id IS NOT NULL""",
    """CREATE TABLE batch_payloads (
        batch_key bigint PRIMARY KEY REFERENCES thunderhead_batches ON DELETE CASCADE,
        xml text NOT NULL  -- the submitted XML
    )""",
)

FINAL_EVENTS = (
    """CREATE TABLE final_events (
        event_seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        request_id bigint NOT NULL REFERENCES document_requests ON DELETE CASCADE,
        revision integer NOT NULL CHECK (revision > 0),
        event_id uuid NOT NULL UNIQUE,
        topic text,  -- null: the default topic
        event json NOT NULL,
        traceparent text,
        created_at timestamptz NOT NULL DEFAULT now(),
        published_at timestamptz,
        failures integer NOT NULL DEFAULT 0,
        set_aside_at timestamptz,
        set_aside_reason text,
        UNIQUE (request_id, revision),
        CONSTRAINT set_aside_with_a_reason CHECK ((set_aside_at IS NULL) = (set_aside_reason IS NULL))
    )""",
    # take_waiting_events: what is not published yet.
    """CREATE INDEX waiting_events ON final_events (event_seq)
       WHERE published_at IS NULL AND set_aside_at IS NULL""",
)

DIAL = """
    CREATE TABLE outside_systems (
        system text NOT NULL CHECK (system IN ('THUNDERHEAD', 'REFERENCE_DATA', 'KAFKA')),
        document_type text NOT NULL DEFAULT '*',
        paused_at timestamptz,
        paused_by text,
        paused_why text,
        most_in_flight integer CHECK (most_in_flight > 0),
        most_per_second numeric CHECK (most_per_second > 0),
        failures integer NOT NULL DEFAULT 0,  -- in a row, over all slices
        open_until timestamptz,               -- circuit breaker: no call before this
        last_error text,
        updated_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (system, document_type),
        CONSTRAINT paused_by_somebody CHECK ((paused_at IS NULL) = (paused_by IS NULL))
    )"""


def upgrade() -> None:
    """Create everything. The sequence gives a lease token to every worker that opens a slice."""
    op.execute("CREATE SEQUENCE lease_tokens")
    for statement in (
        PRIORITY_HEAD_START, UTC_TEXT, EVENT_UUID, SLICES, REQUESTS, *REQUEST_INDEXES, *PARTS_OF_A_REQUEST, *BATCHES,
        *FINAL_EVENTS, DIAL,
    ):  # fmt: skip
        op.execute(statement)
    op.execute("INSERT INTO outside_systems (system) VALUES ('THUNDERHEAD'), ('REFERENCE_DATA'), ('KAFKA')")


def downgrade() -> None:
    """Drop everything with its rows."""
    op.execute("""
        DROP TABLE outside_systems, final_events, batch_payloads, thunderhead_batches, request_timeline,
            request_errors, request_metadata, request_payloads, document_requests, slices""")
    op.execute("DROP FUNCTION queue_rank, utc_text, event_uuid")
    op.execute("DROP SEQUENCE lease_tokens")
