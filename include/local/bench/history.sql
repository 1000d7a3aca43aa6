-- history_slices --
-- The slices that the history was worked in: 500 requests each, by both jobs; odd ids processed, even ones monitored.
INSERT INTO slices (slice_id, job, dag_run_id, ordinal, label, size, generation, map_index, claimed_at, opened_at, closed_at)
OVERRIDING SYSTEM VALUE
SELECT s, CASE WHEN s %% 2 = 1 THEN 'document_processing' ELSE 'document_monitoring' END, 'history ' || s, 0,
       '500 requests', 500, 0, 0, at, at, at
FROM generate_series(1, 2 * ((%(n)s - 1) / 500 + 1)) AS s,
     LATERAL (SELECT now() - interval '1 hour' - (1 - s / 2.0 / (%(n)s / 500.0)) * interval '90 days' AS at) AS a;

-- history_runs --
-- A run for each 20 requests: those of CIBT among them.
INSERT INTO runs (run_id, source_system, name, content_hash, expected, proofs, deadline, opened_by, opened_at, closed_by,
    closed_at, completed_at)
OVERRIDING SYSTEM VALUE
SELECT i, 'CIBT', 'R-' || i, '', 14, 0, now(), 'a client', now(), 'a client', now(), now()
FROM generate_series(1, (%(n)s::bigint - 1) / 20 + 1) AS i;

-- history_requests --
-- So many ended requests, evenly over 90 days until an hour ago: of 100, 1 stands at FAILED, and 3 took two attempts. The last
-- failures need a person; all others are resolved.
INSERT INTO document_requests (
    request_id, source_system, request_correlation_id, content_hash, document_type, document_name, document_language,
    source_environment, client_subject, status, stage, revision, attempts, slice_id, due_at, created_at, ended_at,
    resolved_at, run_id)
OVERRIDING SYSTEM VALUE
SELECT i, CASE WHEN i %% 10 < 7 THEN 'CIBT' ELSE 'ARCADE' END, 'H-' || i, sha256(int8send(i)),
       CASE WHEN i %% 2 = 0 THEN 'POLICY' ELSE 'INVOICE' END,
       CASE WHEN i %% 2 = 0 THEN 'POSHOOFF' WHEN i %% 100 = 1 THEN 'IVCLFCAP' ELSE 'IVZRECPA' END, 'EN', 'PROD',
       'a client', CASE WHEN i %% 100 = 0 THEN 'FAILED' ELSE 'COMPLETED' END, 'GENERATION', 1,
       1 + (i %% 100 < 3)::integer, 2 * ((i - 1) / 500 + 1), at, at, at + interval '3 seconds',
       CASE WHEN i %% 100 = 0 AND i <= %(n)s - 5000 THEN now() END,
       CASE WHEN i %% 10 < 7 THEN (i - 1) / 20 + 1 END
FROM generate_series(1, %(n)s::bigint) AS i,
     LATERAL (SELECT now() - interval '1 hour' - (1 - i::float / %(n)s) * interval '90 days' AS at) AS a;

-- history_payloads --
-- A small content each.
INSERT INTO request_payloads SELECT request_id, '{"a": 1}' FROM document_requests;

-- history_metadata --
-- A policy of its own each; ten requests a customer; every fifth one has a footer.
INSERT INTO request_metadata
SELECT request_id, key, value FROM document_requests, LATERAL (VALUES
    ('CUSTOMER_ID', (request_id %% greatest(%(n)s / 10, 1))::text), ('POLICY_ID', 'P' || request_id),
    ('FOOTER_ID', CASE WHEN request_id %% 5 = 0 THEN '2' END)) AS m (key, value)
WHERE value IS NOT NULL;

-- history_batches --
-- A batch an attempt.
INSERT INTO thunderhead_batches (
    request_id, attempt, batch_name, batch_config_id, status, unsure_since, thunderhead_batch_id, dms_document_id,
    submitted_at, next_poll_at, polls, slice_id, created_at, ended_at)
SELECT request_id, attempt, 'OMS-' || request_id || '-' || attempt, '1000',
       CASE WHEN attempt < attempts THEN 'FAILED' ELSE status END, NULL, 10 * request_id + attempt,
       CASE WHEN attempt = attempts AND status = 'COMPLETED' THEN request_id END, created_at, created_at, 1, slice_id,
       created_at, ended_at
FROM document_requests, generate_series(1, attempts) AS attempt;

-- history_xml --
-- A small document each.
INSERT INTO batch_payloads SELECT batch_key, '<d/>' FROM thunderhead_batches;

-- history_errors --
-- Why an attempt failed.
INSERT INTO request_errors (request_id, revision, attempt, stage, category, description, at, slice_id)
SELECT request_id, 1, 1, 'GENERATION', 'PROCESSING_ERROR', 'The document could not be generated.', ended_at, slice_id
FROM document_requests WHERE attempts > 1 OR status = 'FAILED';

-- history_timeline --
-- Four entries each.
INSERT INTO request_timeline (request_id, at, event, actor, detail, slice_id)
SELECT request_id, ended_at, event, actor, detail, slice
FROM document_requests, LATERAL (VALUES
    ('ACCEPTED', 'client:a client', '{}'::jsonb, NULL::bigint),
    ('CLAIMED', 'document_processing', '{}', slice_id - 1),
    ('SUBMITTED', 'document_processing', '{"batch_name": "OMS-1-1", "thunderhead_batch_id": 10}', slice_id - 1),
    (status, 'document_monitoring', '{"stage": "GENERATION", "revision": 1}', slice_id)) AS t (event, actor, detail, slice);

-- history_events --
-- The final event each, published.
INSERT INTO final_events (request_id, revision, event_id, event, created_at, published_at)
SELECT request_id, 1, md5(request_id::text)::uuid, json_build_object('specversion', '1.0', 'data', request_id),
       ended_at, ended_at
FROM document_requests;

-- history_actions --
-- One action of a person for ten requests: a look, or a retrigger.
INSERT INTO operator_actions (action_id, at, actor, door, action, request_id)
OVERRIDING SYSTEM VALUE
SELECT i, r.created_at, CASE WHEN i %% 3 = 0 THEN 'airflow:ada' ELSE 'airflow:bob' END, 'console',
       CASE WHEN i %% 10 = 0 THEN 'retrigger' ELSE 'look' END, r.request_id
FROM generate_series(1, %(n)s::bigint / 10) AS i JOIN document_requests r ON r.request_id = 10 * i;

-- history_operations --
-- A bulk operation for 100 requests.
INSERT INTO bulk_operations (operation_id, action, selection, subject, actor, door, per_second, counted, counted_at, state,
    created_at, ended_at, worked, done)
OVERRIDING SYSTEM VALUE
SELECT i, 'retrigger', '{}', 'status: FAILED', 'airflow:ada', 'console', 50, 20, r.created_at, 'DONE', r.created_at,
       r.created_at, 20, 20
FROM generate_series(1, %(n)s::bigint / 100) AS i JOIN document_requests r ON r.request_id = 100 * i;

-- history_answers --
-- Twenty answers each.
INSERT INTO bulk_operation_answers
SELECT operation_id, (100 * operation_id - a)::text, 'retriggered' FROM bulk_operations, generate_series(0, 19) AS a;

-- history_reconciliations --
-- The report of each of the last 90 days: as many for every number of requests.
INSERT INTO reconciliations
SELECT day, day + interval '1 day', day + interval '26 hours', 'scheduled__' || i, i %% 10 <> 0, '{"requests_in": 1}',
       CASE WHEN i %% 10 = 0 THEN '[{"kind": "ORPHAN", "request_id": 1, "batch_name": "OMS-1-1", "detail": "?"}]' ELSE '[]' END::jsonb, ''
FROM generate_series(1, 90) AS i,
     LATERAL (SELECT (date_trunc('day', now() AT TIME ZONE 'UTC') - i * interval '1 day') AT TIME ZONE 'UTC' AS day) AS d;

-- history_usage --
-- What both source systems have used of their quotas.
INSERT INTO source_system_usage (source_system, hour, requests, bytes, open_requests)
VALUES ('CIBT', date_trunc('hour', now()), 1, 1, 0), ('ARCADE', date_trunc('hour', now()), 1, 1, 0);

-- live_queued --
-- Requests that are due.
INSERT INTO document_requests (source_system, request_correlation_id, content_hash, document_type, document_name,
    document_language, source_environment, priority, client_subject)
SELECT CASE WHEN i %% 10 < 7 THEN 'CIBT' ELSE 'ARCADE' END, 'Q-' || i, sha256(int8send(i)), 'POLICY', 'POSHOOFF', 'EN',
       'PROD', CASE WHEN i %% 50 = 0 THEN 'HIGH' ELSE 'NORMAL' END, 'a client'
FROM generate_series(1, %(n)s::bigint) AS i;

-- live_in_flight --
-- Requests at Thunderhead, their poll due.
WITH r AS (
    INSERT INTO document_requests (source_system, request_correlation_id, content_hash, document_type, document_name,
        document_language, source_environment, client_subject, status, stage, attempts, slice_id)
    SELECT 'CIBT', 'L-' || i, sha256(int8send(i)), 'POLICY', 'POSHOOFF', 'EN', 'PROD', 'a client', 'PROCESSING',
           'GENERATION', 1, 1
    FROM generate_series(1, %(n)s::bigint) AS i RETURNING request_id
)
INSERT INTO thunderhead_batches (request_id, attempt, batch_name, batch_config_id, status, unsure_since,
    thunderhead_batch_id, submitted_at, next_poll_at, slice_id)
SELECT request_id, 1, 'OMS-' || request_id || '-1', '1000', 'PROCESSING_THUNDERHEAD', NULL, 10 * request_id + 1, now(),
       now(), 1
FROM r;

-- live_outbox --
-- Ended requests whose events wait.
WITH r AS (
    INSERT INTO document_requests (source_system, request_correlation_id, content_hash, document_type, document_name,
        document_language, source_environment, client_subject, status, stage, attempts, revision, ended_at)
    SELECT 'CIBT', 'E-' || i, sha256(int8send(i)), 'POLICY', 'POSHOOFF', 'EN', 'PROD', 'a client', 'COMPLETED',
           'GENERATION', 1, 1, now()
    FROM generate_series(1, %(n)s::bigint) AS i RETURNING request_id
)
INSERT INTO final_events (request_id, revision, event_id, topic, event)
SELECT request_id, 1, event_uuid(request_id, 1), 'oms.bench', json_build_object('data', request_id) FROM r;

-- in_flight --
-- The requests that stand at Thunderhead.
SELECT request_id FROM thunderhead_batches WHERE status = 'PROCESSING_THUNDERHEAD' ORDER BY request_id LIMIT %(n)s;

-- plain_indexes --
-- The indexes that no constraint is made of.
SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition
FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid
WHERE t.relnamespace = 'public'::regnamespace AND t.relname = ANY (%(tables)s)
  AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid);
