-- is_there --
-- Check that the database answers.
SELECT 1;

-- accept_requests --
-- Store requests with payload, metadata and first timeline entry, all or none. A request whose correlation id is taken
-- is neither stored nor returned. The order of correlation ids prevents a deadlock of two calls with the same ones.
WITH sent AS (
    SELECT * FROM json_to_recordset(%(requests)s::json) AS s (
        source_system text, request_correlation_id text, content_hash bytea, document_type text, document_name text,
        document_language text, source_environment text, priority text, not_before timestamptz, content json,
        metadata json, run_id bigint, client_subject text, origin_user text, traceparent text, actor text)
), accepted AS (
    INSERT INTO document_requests (
        source_system, request_correlation_id, content_hash, document_type, document_name, document_language,
        source_environment, priority, not_before, due_at, client_subject, origin_user, traceparent, run_id)
    SELECT source_system, request_correlation_id, content_hash, document_type, document_name, document_language,
           source_environment, priority, not_before,
           greatest(not_before, now()),  -- an instant in the past gives no advantage in the queue
           client_subject, origin_user, traceparent, run_id
    FROM sent ORDER BY source_system, request_correlation_id
    ON CONFLICT (source_system, request_correlation_id) DO NOTHING
    RETURNING request_id, source_system, request_correlation_id, created_at
), payload AS (
    INSERT INTO request_payloads (request_id, content)
    SELECT request_id, content FROM accepted JOIN sent USING (source_system, request_correlation_id)
), metadata AS (
    INSERT INTO request_metadata (request_id, key, value)
    SELECT request_id, key, value
    FROM accepted JOIN sent USING (source_system, request_correlation_id),
         json_to_recordset(metadata) AS m (key text, value text)
), told AS (
    INSERT INTO request_timeline (request_id, event, actor, detail)
    SELECT request_id, 'ACCEPTED', actor, jsonb_strip_nulls(jsonb_build_object('origin_user', origin_user))
    FROM accepted JOIN sent USING (source_system, request_correlation_id)
), woken AS (  -- wake the watchers that wait: document_monitoring starts together with document_processing
    SELECT count(pg_notify('oms_work', job)) FROM watchers WHERE waiting
)
SELECT request_id, source_system, request_correlation_id, utc_text(created_at) AS created_at
FROM accepted CROSS JOIN woken;

-- stored_requests --
-- The requests that hold these correlation ids, with the hash that tells a replay from a conflict.
SELECT request_correlation_id, request_id, content_hash FROM document_requests
WHERE source_system = %(source_system)s AND request_correlation_id = ANY (%(correlation_ids)s);

-- show_requests --
-- Requests for their client, newest first. Requests of other source systems are not returned.
SELECT r.request_id, r.status, json_build_object(
    'request_id', r.request_id,
    'request_correlation_id', r.request_correlation_id,
    'source_system', r.source_system,
    'source_environment', r.source_environment,
    'document_type', r.document_type,
    'document_name', r.document_name,
    'document_language', r.document_language,
    'document_metadata', (
        SELECT coalesce(json_agg(json_build_object('key', key, 'value', value) ORDER BY key COLLATE "C"), '[]')
        FROM request_metadata WHERE request_id = r.request_id),
    'priority', r.priority,
    'run_id', r.run_id,
    'not_before', utc_text(r.not_before),
    'status', r.status,
    'stage', r.stage,
    'attempts', r.attempts,
    'revision', r.revision,
    'created_at', utc_text(r.created_at),
    'ended_at', utc_text(r.ended_at),
    'batches', (
        SELECT coalesce(json_agg(json_build_object(
            'attempt', attempt, 'name', batch_name, 'status', status, 'thunderhead_batch_id', thunderhead_batch_id,
            'dms_document_id', dms_document_id, 'created_at', utc_text(created_at),
            'submitted_at', utc_text(submitted_at), 'ended_at', utc_text(ended_at),
            'document_sha256', encode(document_sha256, 'hex'), 'document_bytes', document_bytes,
            'document_pages', document_pages) ORDER BY attempt), '[]')
        FROM thunderhead_batches WHERE request_id = r.request_id),
    'errors', (
        SELECT coalesce(json_agg(json_build_object(
            'revision', revision, 'attempt', attempt, 'stage', stage, 'category', category,
            'description', description, 'at', utc_text(at)) ORDER BY error_id), '[]')
        FROM request_errors WHERE request_id = r.request_id)) AS request
FROM document_requests r
WHERE r.source_system = %(source_system)s AND r.request_id = ANY (%(request_ids)s)
ORDER BY r.request_id DESC;

-- find_requests --
-- A page of a source system's requests, newest first.
SELECT r.request_id FROM document_requests r
WHERE r.source_system = %(source_system)s AND r.request_id < %(before)s
  AND (%(status)s::text[] IS NULL OR r.status = ANY (%(status)s))
  AND (%(document_type)s::text IS NULL OR r.document_type = %(document_type)s)
  AND (%(document_name)s::text IS NULL OR r.document_name = %(document_name)s)
  AND (%(request_correlation_id)s::text IS NULL OR r.request_correlation_id = %(request_correlation_id)s)
  AND (%(run_id)s::bigint IS NULL OR r.run_id = %(run_id)s)
  AND (%(created_from)s::timestamptz IS NULL OR r.created_at >= %(created_from)s)
  AND (%(created_to)s::timestamptz IS NULL OR r.created_at < %(created_to)s)
ORDER BY r.request_id DESC LIMIT %(limit)s;

-- find_requests_by_metadata --
-- As find_requests, but only requests that have all these metadata pairs. The index returns requests of the first pair
-- newest first. So the cost depends on the page, or on the number of requests with that pair.
SELECT r.request_id FROM request_metadata first JOIN document_requests r USING (request_id)
WHERE first.key = (%(keys)s::text[])[1] AND first.value = (%(values)s::text[])[1]
  AND first.request_id < %(before)s AND r.source_system = %(source_system)s
  AND NOT EXISTS (
    SELECT FROM unnest(%(keys)s::text[], %(values)s::text[]) AS wanted (key, value)
    WHERE NOT EXISTS (SELECT FROM request_metadata m
                      WHERE m.request_id = r.request_id AND m.key = wanted.key AND m.value = wanted.value))
  AND (%(status)s::text[] IS NULL OR r.status = ANY (%(status)s))
  AND (%(document_type)s::text IS NULL OR r.document_type = %(document_type)s)
  AND (%(document_name)s::text IS NULL OR r.document_name = %(document_name)s)
  AND (%(request_correlation_id)s::text IS NULL OR r.request_correlation_id = %(request_correlation_id)s)
  AND (%(run_id)s::bigint IS NULL OR r.run_id = %(run_id)s)
  AND (%(created_from)s::timestamptz IS NULL OR r.created_at >= %(created_from)s)
  AND (%(created_to)s::timestamptz IS NULL OR r.created_at < %(created_to)s)
ORDER BY first.request_id DESC LIMIT %(limit)s;

-- rarest_pairs_first --
-- Metadata pairs by the number of requests that have them, the rarest first. The count stops at a thousand.
SELECT p.key, p.value FROM unnest(%(keys)s::text[], %(values)s::text[]) AS p (key, value)
ORDER BY (SELECT count(*) FROM (
    SELECT FROM request_metadata m WHERE m.key = p.key AND m.value = p.value LIMIT 1000) AS few), p.key, p.value;

-- count_requests --
-- The number of a source system's requests by status. The count stops after `most` requests, in no defined order.
SELECT status, count(*) AS number
FROM (SELECT status FROM document_requests
      WHERE source_system = %(source_system)s
        AND (%(created_from)s::timestamptz IS NULL OR created_at >= %(created_from)s)
        AND (%(created_to)s::timestamptz IS NULL OR created_at < %(created_to)s)
      LIMIT %(most)s) AS counted
GROUP BY status;

-- timeline_of_request --
-- The timeline of a request, oldest first. One row of nulls: the timeline is empty. No row: there is no such request.
SELECT utc_text(t.at) AS at, t.event, t.actor, t.detail
FROM document_requests r LEFT JOIN request_timeline t USING (request_id)
WHERE r.request_id = %(request_id)s AND r.source_system = %(source_system)s
ORDER BY t.entry_id;

-- content_as_sent --
-- The content exactly as the client sent it.
SELECT p.content::text AS content FROM document_requests r JOIN request_payloads p USING (request_id)
WHERE r.request_id = %(request_id)s AND r.source_system = %(source_system)s;

-- content_as_submitted --
-- The XML that was last submitted to Thunderhead, by a function with the rights that the intake does not have.
SELECT xml AS content FROM submitted_xml(%(request_id)s, %(source_system)s) AS xml;

-- document_of_request --
-- The document of a request: that of its newest COMPLETED batch, nulls if it has none.
SELECT r.status, r.document_type, r.document_name, r.erased_at IS NOT NULL AS is_erased,
       b.batch_key, b.dms_document_id, b.document_sha256
FROM document_requests r
LEFT JOIN LATERAL (
    SELECT batch_key, dms_document_id, document_sha256 FROM thunderhead_batches
    WHERE request_id = r.request_id AND status = 'COMPLETED' AND dms_document_id IS NOT NULL
    ORDER BY attempt DESC LIMIT 1) AS b ON true
WHERE r.request_id = %(request_id)s AND r.source_system = %(source_system)s;

-- note_document_fetched --
-- Note that a client fetched its document. Keep the SHA-256, size and number of pages if they are new. No row: the
-- request is erased.
WITH mine AS (
    SELECT request_id FROM document_requests WHERE request_id = %(request_id)s AND erased_at IS NULL FOR KEY SHARE
), learnt AS (
    UPDATE thunderhead_batches b
    SET document_sha256 = %(sha256)s::bytea, document_bytes = %(size)s::bigint, document_pages = %(pages)s::integer
    FROM mine WHERE b.batch_key = %(batch_key)s AND b.document_sha256 IS DISTINCT FROM %(sha256)s::bytea
)
INSERT INTO request_timeline (request_id, event, actor, detail)
SELECT request_id, 'DOCUMENT_FETCHED', %(actor)s,
       jsonb_build_object('sha256', encode(%(sha256)s::bytea, 'hex'), 'bytes', %(size)s::bigint)
FROM mine RETURNING request_id;

-- hold_request --
-- Lock a request until the transaction ends. This is a separate statement, because a statement sees other rows as they
-- were when it began. So only the next statement sees all rows as they are under the lock.
SELECT request_id FROM document_requests
WHERE request_id = %(request_id)s AND source_system = %(source_system)s FOR UPDATE;

-- look_before_cancel --
-- Whether a request can be withdrawn, or is withdrawn. An intent that may have reached Thunderhead prevents it.
SELECT r.stage,
       r.status = 'QUEUED' AND NOT EXISTS (
           SELECT FROM thunderhead_batches b WHERE b.request_id = r.request_id
           AND (b.status = 'PROCESSING_THUNDERHEAD' OR b.status = 'PROCESSING_OMS' AND b.unsure_since IS NOT NULL))
       AS can_be_cancelled,
       r.status = 'STOPPED' AND EXISTS (
           SELECT FROM request_errors e WHERE e.request_id = r.request_id AND e.revision = r.revision
           AND e.category = 'CANCELLED') AS is_cancelled
FROM document_requests r WHERE r.request_id = %(request_id)s;

-- newest_event --
-- The newest final event of a request, nulls if it has none.
SELECT r.revision, e.event_id, e.revision AS event_revision
FROM document_requests r
LEFT JOIN LATERAL (
    SELECT event_id, revision FROM final_events WHERE request_id = r.request_id ORDER BY revision DESC LIMIT 1) AS e ON true
WHERE r.request_id = %(request_id)s AND r.source_system = %(source_system)s;

-- operation_of_client --
-- A bulk operation of this source system, with the number of its requests by answer.
SELECT o.operation_id, o.action, o.state, o.counted, o.worked, o.done, utc_text(o.created_at) AS created_at,
       utc_text(o.ended_at) AS ended_at, (
           SELECT coalesce(json_object_agg(answer, number), '{}') FROM (
               SELECT answer, count(*) AS number FROM bulk_operation_answers
               WHERE operation_id = o.operation_id GROUP BY answer) AS answers) AS answers
FROM bulk_operations o
WHERE o.operation_id = %(operation_id)s AND o.door = 'api' AND o.selection ->> 'source_system' = %(source_system)s;

-- count_queued --
-- The number of a source system's queued requests. The count stops at `most`.
SELECT count(*) AS number FROM (
    SELECT FROM document_requests
    WHERE source_system = %(source_system)s AND status = 'QUEUED' LIMIT %(most)s) AS queued;
