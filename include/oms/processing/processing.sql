-- write_intents --
-- Write the intent before the submit: a batch with its name, so that a later worker can look the name up.
-- (status || '' and lease_token + 0, here and elsewhere: they keep PostgreSQL from the indexes of open and leased rows.
-- Until the next ANALYZE it believes that those are almost empty. In a flood it would read one as a whole for each request.
-- The key is the right way to what a worker holds.)
-- An open intent that surely never arrived is used again, with what is sent now.
WITH wanted AS (
    SELECT * FROM unnest(%(request_ids)b::bigint[], %(config_ids)b::text[], %(topics)b::text[], %(xmls)b::text[])
        AS w (request_id, config_id, topic, xml)
), held AS (
    UPDATE document_requests r
    SET stage = 'SUBMISSION', topic_name = w.topic, attempts = r.attempts + (b.batch_key IS NULL)::integer
    FROM wanted w
    LEFT JOIN thunderhead_batches b ON b.request_id = w.request_id AND b.status || '' = 'PROCESSING_OMS'
    WHERE r.request_id = w.request_id AND r.lease_token + 0 = %(lease_token)s
    RETURNING r.request_id, r.attempts, w.config_id, w.xml, b.batch_key
), fresh AS (
    INSERT INTO thunderhead_batches (request_id, attempt, batch_name, batch_config_id, slice_id)
    SELECT request_id, attempts, %(prefix)s || '-' || request_id || '-' || attempts, config_id, %(slice_id)s
    FROM held WHERE batch_key IS NULL
    RETURNING batch_key, request_id, batch_name
), used_again AS (
    UPDATE thunderhead_batches b
    SET batch_config_id = held.config_id, unsure_since = now(), slice_id = %(slice_id)s
    FROM held WHERE b.batch_key = held.batch_key
    RETURNING b.batch_key, b.request_id, b.batch_name
), intents AS (
    SELECT * FROM fresh UNION ALL SELECT * FROM used_again
), payloads AS (
    INSERT INTO batch_payloads (batch_key, xml)
    SELECT i.batch_key, held.xml FROM intents i JOIN held USING (request_id)
    ON CONFLICT (batch_key) DO UPDATE SET xml = excluded.xml
)
SELECT request_id, batch_key, batch_name FROM intents;

-- record_submissions --
-- Thunderhead has accepted them: store its ids, release the leases, and set the first poll. Attempts that were spent on
-- submits without an answer are given back, because the requests were not at fault.
WITH accepted AS (
    SELECT * FROM unnest(%(request_ids)b::bigint[], %(batch_ids)b::bigint[], %(adopted)b::boolean[])
        AS a (request_id, batch_id, adopted)
), moved AS (
    UPDATE document_requests r
    SET stage = 'GENERATION', lease_token = NULL, lease_until = NULL, takeovers = 0,
        spent = CASE WHEN r.spent = 0 THEN 0 ELSE least(r.spent, (
            SELECT count(*) FROM request_errors e
            WHERE e.request_id = r.request_id AND e.revision = r.revision + 1 AND e.stage <> 'SUBMISSION')) END
    FROM accepted a
    WHERE r.request_id = a.request_id AND r.lease_token + 0 = %(lease_token)s
    RETURNING r.request_id, a.batch_id, a.adopted
), batch AS (
    UPDATE thunderhead_batches b
    SET status = 'PROCESSING_THUNDERHEAD', thunderhead_batch_id = m.batch_id, submitted_at = now(),
        unsure_since = NULL, next_poll_at = now() + %(first_poll_seconds)s * interval '1 second'
    FROM moved m
    WHERE b.request_id = m.request_id AND b.status || '' = 'PROCESSING_OMS'
    RETURNING b.request_id, b.batch_name, b.thunderhead_batch_id, m.adopted
), told AS (
    INSERT INTO request_timeline (request_id, event, actor, detail, slice_id)
    SELECT request_id, CASE WHEN adopted THEN 'ADOPTED' ELSE 'SUBMITTED' END, 'document_processing',
           jsonb_build_object('batch_name', batch_name, 'thunderhead_batch_id', thunderhead_batch_id), %(slice_id)s
    FROM batch
), woken AS (
    SELECT pg_notify('oms_work', job) FROM watchers WHERE job = 'document_monitoring' AND waiting
)
SELECT request_id FROM moved LEFT JOIN woken ON true;

-- put_back_requests --
-- Release held requests to a later run, or keep them in the slice for another try of the same worker. Their errors are
-- stored. A submit that gets no readable answer again and again, while other submits are answered, is no outage: it spends
-- an attempt. The count of workers that died is reset when a worker survives a try.
WITH wanted AS (
    SELECT * FROM unnest(
        %(request_ids)s::bigint[], %(stages)s::text[], %(wait_seconds)s::float[], %(spends)s::boolean[],
        %(in_doubt)s::boolean[], %(kept)s::boolean[], %(categories)s::text[], %(descriptions)s::text[])
        AS w (request_id, stage, wait_seconds, spends, in_doubt, kept, category, description)
), moved AS (
    UPDATE document_requests r
    SET status = CASE WHEN w.kept THEN r.status ELSE 'QUEUED' END, stage = w.stage, due_at = now() + w.wait_seconds * interval '1 second',
        spent = r.spent + (w.spends OR (w.in_doubt AND EXISTS (
            SELECT FROM thunderhead_batches b JOIN outside_systems o ON o.submit_answered_at > b.unsure_since
            WHERE b.request_id = r.request_id AND b.status || '' = 'PROCESSING_OMS' AND b.unsure_submits >= %(submits_for_free)s
              AND o.system = 'THUNDERHEAD' AND o.document_type = '*')) IS TRUE)::integer,
        lease_token = CASE WHEN w.kept THEN r.lease_token END, lease_until = CASE WHEN w.kept THEN r.lease_until END,
        takeovers = CASE WHEN w.spends OR w.in_doubt THEN 0 ELSE r.takeovers END
    FROM wanted w
    WHERE r.request_id = w.request_id AND r.lease_token + 0 = %(lease_token)s
    RETURNING r.request_id, r.revision, r.attempts, r.due_at, r.stage, w.kept, w.in_doubt, w.category, w.description
), batch AS (
    UPDATE thunderhead_batches b
    SET unsure_since = CASE WHEN m.in_doubt THEN now() END, unsure_submits = b.unsure_submits + m.in_doubt::integer
    FROM moved m
    WHERE m.in_doubt IS NOT NULL AND b.request_id = m.request_id AND b.status || '' = 'PROCESSING_OMS'
), error AS (
    INSERT INTO request_errors (request_id, revision, attempt, stage, category, description, slice_id)
    SELECT request_id, revision + 1, attempts, stage, category, description, %(slice_id)s
    FROM moved WHERE category IS NOT NULL
), told AS (
    INSERT INTO request_timeline (request_id, event, actor, detail, slice_id)
    SELECT request_id, 'PUT_BACK', 'document_processing', jsonb_strip_nulls(jsonb_build_object(
        'stage', stage, 'due_at', utc_text(due_at), 'category', category, 'description', description)), %(slice_id)s
    FROM moved
)
SELECT request_id, kept FROM moved;
