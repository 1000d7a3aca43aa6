-- bare_queued --
-- What waits, whole.
SELECT r.request_id, r.document_name, r.document_type, r.document_language, p.content::text AS content,
       (SELECT json_object_agg(key, value) FROM request_metadata m WHERE m.request_id = r.request_id) AS metadata
FROM document_requests r JOIN request_payloads p USING (request_id) WHERE r.status = 'QUEUED' ORDER BY r.request_id;

-- bare_intents --
-- The rows before the submits.
WITH wanted AS (
    SELECT * FROM unnest(%(request_ids)s::bigint[], %(config_ids)s::text[], %(xmls)s::text[])
        AS w (request_id, config_id, xml)
), moved AS (
    UPDATE document_requests r SET status = 'PROCESSING', stage = 'SUBMISSION', attempts = 1
    FROM wanted w WHERE r.request_id = w.request_id
), batch AS (
    INSERT INTO thunderhead_batches (request_id, attempt, batch_name, batch_config_id)
    SELECT request_id, 1, 'BARE-' || request_id || '-1', config_id FROM wanted RETURNING batch_key, request_id
)
INSERT INTO batch_payloads (batch_key, xml) SELECT batch_key, xml FROM batch JOIN wanted USING (request_id);

-- bare_submitted --
-- The rows after the submits.
WITH accepted AS (
    SELECT * FROM unnest(%(request_ids)s::bigint[], %(batch_ids)s::bigint[]) AS a (request_id, batch_id)
), moved AS (
    UPDATE document_requests r SET stage = 'GENERATION' FROM accepted a WHERE r.request_id = a.request_id
), batch AS (
    UPDATE thunderhead_batches b
    SET status = 'PROCESSING_THUNDERHEAD', thunderhead_batch_id = a.batch_id, submitted_at = now(),
        unsure_since = NULL, next_poll_at = now() + interval '1 hour'
    FROM accepted a WHERE b.request_id = a.request_id
)
INSERT INTO request_timeline (request_id, event, actor) SELECT request_id, 'SUBMITTED', 'bare' FROM accepted;

-- bare_ended --
-- The rows of the ends, the event's among them.
WITH done AS (
    SELECT * FROM unnest(%(request_ids)s::bigint[], %(document_ids)s::bigint[]) AS d (request_id, document_id)
), batch AS (
    UPDATE thunderhead_batches b SET status = 'COMPLETED', dms_document_id = d.document_id, ended_at = now(), polls = 1
    FROM done d WHERE b.request_id = d.request_id
), ended AS (
    UPDATE document_requests r SET status = 'COMPLETED', revision = 1, ended_at = now()
    FROM done d WHERE r.request_id = d.request_id RETURNING r.request_id, d.document_id
), told AS (
    INSERT INTO request_timeline (request_id, event, actor) SELECT request_id, 'COMPLETED', 'bare' FROM ended
)
INSERT INTO final_events (request_id, revision, event_id, event, published_at)
SELECT request_id, 1, event_uuid(request_id, 1), json_build_object('subject', request_id, 'data', document_id), now()
FROM ended;
