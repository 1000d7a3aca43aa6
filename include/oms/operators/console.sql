-- slices_of_task --
-- The slices of a task instance, or of a whole DAG run if the map index is null.
SELECT slice_id, job, dag_run_id, ordinal, coalesce(map_index, ordinal) AS map_index, label, size,
       utc_text(claimed_at) AS claimed_at, utc_text(closed_at) AS closed_at, generation
FROM slices
WHERE job = %(job)s AND dag_run_id = %(dag_run_id)s
  AND (%(map_index)s::integer IS NULL OR coalesce(map_index, ordinal) = %(map_index)s)
ORDER BY ordinal;

-- requests_of_slices --
-- The requests that these slices have worked, in three groups: those that a clear retriggers, those that ended red in
-- another slice, and all others. `requests` are the first of them, `sums` counts all by slice and error.
WITH mine AS (
    SELECT request_id, max(slice_id) AS slice_id FROM (
        SELECT request_id, slice_id FROM request_timeline WHERE slice_id = ANY (%(slice_ids)s)
        UNION ALL
        SELECT request_id, slice_id FROM document_requests
        WHERE slice_id = ANY (%(slice_ids)s) AND status <> 'COMPLETED'
        UNION ALL
        SELECT request_id, slice_id FROM thunderhead_batches
        WHERE slice_id = ANY (%(slice_ids)s) AND status = 'PROCESSING_THUNDERHEAD'
        UNION ALL
        SELECT request_id, slice_id FROM job_items WHERE slice_id = ANY (%(slice_ids)s)) had
    GROUP BY request_id
), refused AS (
    SELECT request_id FROM job_items WHERE slice_id = ANY (%(slice_ids)s) AND refused_why IS NOT NULL
), sorted AS (
    SELECT m.request_id, m.slice_id, r.status, e.category,
           CASE WHEN EXISTS (SELECT FROM refused f WHERE f.request_id = m.request_id) THEN 'clear'
                WHEN r.status NOT IN ('FAILED', 'STOPPED') THEN 'other'
                WHEN r.slice_id = ANY (%(slice_ids)s) AND r.resolved_at IS NULL AND (r.status = 'FAILED' OR e.category IS DISTINCT FROM 'CANCELLED') THEN 'clear'
                ELSE 'elsewhere' END AS "group"
    FROM mine m JOIN document_requests r USING (request_id)
    LEFT JOIN LATERAL last_error(r.request_id) e ON r.status IN ('FAILED', 'STOPPED')
)
SELECT (SELECT coalesce(json_agg(listed), '[]') FROM (
            SELECT request_id, slice_id, "group" FROM sorted
            ORDER BY array_position('{clear,elsewhere,other}', "group"),
                     array_position('{FAILED,STOPPED,QUEUED,PROCESSING,COMPLETED}', status), request_id
            LIMIT %(limit)s) listed) AS requests,
       (SELECT coalesce(json_agg(counted), '[]') FROM (
            SELECT slice_id, "group", status, category, count(*) AS number FROM sorted
            GROUP BY slice_id, "group", status, category
            ORDER BY slice_id, number DESC, "group", status, category) counted) AS sums;

-- what_clearing_does --
-- The number of requests that a clear of these slices would retrigger, by the stage at which they ended. It selects as
-- ended_by_slice and retrigger_requests do, but locks nothing.
SELECT r.slice_id, r.stage, count(*) AS number FROM document_requests r
WHERE r.slice_id = ANY (%(slice_ids)s) AND r.status IN ('FAILED', 'STOPPED') AND r.resolved_at IS NULL
  AND (r.status = 'FAILED' OR 'CANCELLED' IS DISTINCT FROM (SELECT category FROM last_error(r.request_id)))
GROUP BY r.slice_id, r.stage
UNION ALL
SELECT slice_id, 'REFUSED', count(*) FROM job_items
WHERE slice_id = ANY (%(slice_ids)s) AND refused_why IS NOT NULL GROUP BY slice_id
ORDER BY stage;

-- what_is_it --
-- What a text is: an id or a name that exists. A column for each kind, named as the search's filter.
SELECT EXISTS (SELECT FROM document_requests WHERE request_id = %(number)s::bigint) AS request_id,
       EXISTS (SELECT FROM document_requests WHERE request_correlation_id = %(text)s
               AND source_system = ANY (ARRAY(SELECT source_system FROM source_systems))) AS correlation_id,
       EXISTS (SELECT FROM thunderhead_batches  -- a name has its request's id: PREFIX-request-attempt
               WHERE request_id = (regexp_match(%(text)s, '-([0-9]{1,18})-[0-9]+$'))[1]::bigint
                 AND batch_name = %(text)s) AS batch_name,
       EXISTS (SELECT FROM thunderhead_batches WHERE thunderhead_batch_id = %(number)s::bigint) AS batch_id,
       EXISTS (SELECT FROM source_systems WHERE source_system = %(text)s) AS source_system,
       (SELECT count(*) FROM (SELECT FROM document_requests WHERE document_name = %(text)s LIMIT 1) one) > 0 AS document_name,
       (SELECT count(*) FROM (SELECT FROM document_requests WHERE document_type = %(text)s LIMIT 1) one) > 0 AS document_type;

-- runs --
-- A page of runs, newest first, with their requests counted now. Only those that have not completed, if that is wanted.
SELECT run_id, name, source_system, state, expected, received, missing, surplus, queued, processing, stopped, failed,
       completed, red, withdrawn, utc_text(oldest_open_at) AS oldest_open_at, proofs, utc_text(deadline) AS deadline, late,
       opened_by, utc_text(opened_at) AS opened_at, utc_text(closed_at) AS closed_at,
       utc_text(completed_at) AS completed_at, hold_id, utc_text(released_at) AS released_at, released_by
FROM run_progress
WHERE run_id < %(before)s AND (NOT %(open_only)s::boolean OR completed_at IS NULL)
ORDER BY run_id DESC LIMIT %(limit)s;

-- what_begins_with --
-- Ids and names that begin with a text: a kind, named as the search's filter, and the whole id or name. `digits` is the
-- text as a number, or null. Of a Thunderhead batch's name the request's id is taken: PREFIX-request-attempt.
WITH begun AS (  -- the numbers that begin with these digits: 47, 470 to 479, 4700 to 4799 ...
    SELECT digits * power AS first, (digits + 1) * power - 1 AS last, kind
    FROM (VALUES (%(digits)s::numeric, 'id'),
                 ((regexp_match(%(text)s, '-([1-9][0-9]{0,17})$'))[1]::numeric, 'name'),
                 ((regexp_match(%(text)s, '-([1-9][0-9]{0,17})-[0-9]*$'))[1]::numeric, 'whole')) given (digits, kind)
    CROSS JOIN LATERAL (SELECT 10::numeric ^ n AS power FROM generate_series(0, 18) AS n
                        WHERE kind <> 'whole' OR n = 0) powers
    WHERE digits > 0 AND (digits + 1) * power <= 9223372036854775807
)
(SELECT 'request_id' AS kind, f.request_id::text AS text FROM begun b CROSS JOIN LATERAL (
    SELECT request_id FROM document_requests
    WHERE request_id BETWEEN b.first::bigint AND b.last::bigint
    ORDER BY request_id DESC LIMIT %(limit)s) f
 WHERE b.kind = 'id' ORDER BY f.request_id DESC LIMIT %(limit)s)
UNION ALL
(SELECT 'batch_id', f.thunderhead_batch_id::text FROM begun b CROSS JOIN LATERAL (
    SELECT thunderhead_batch_id FROM thunderhead_batches
    WHERE thunderhead_batch_id BETWEEN b.first::bigint AND b.last::bigint
    ORDER BY thunderhead_batch_id DESC LIMIT %(limit)s) f
 WHERE b.kind = 'id' ORDER BY f.thunderhead_batch_id DESC LIMIT %(limit)s)
UNION ALL
(SELECT 'correlation_id', f.request_correlation_id FROM source_systems s CROSS JOIN LATERAL (
    SELECT request_correlation_id FROM document_requests r
    WHERE r.source_system = s.source_system
      AND r.request_correlation_id ~>=~ %(text)s AND r.request_correlation_id ~<~ (%(text)s || chr(1114111))
    LIMIT %(limit)s) f
 ORDER BY 2 LIMIT %(limit)s)
UNION ALL
(SELECT 'batch_name', f.batch_name FROM begun b CROSS JOIN LATERAL (
    SELECT batch_name FROM (
        SELECT request_id, batch_name FROM thunderhead_batches
        WHERE request_id BETWEEN b.first::bigint AND b.last::bigint
        ORDER BY request_id DESC LIMIT 1000) newest  -- a name with another beginning is looked for among these
    WHERE starts_with(batch_name, %(text)s) LIMIT %(limit)s) f
 WHERE b.kind <> 'id' ORDER BY 2 LIMIT %(limit)s)
LIMIT %(limit)s;

-- list_requests --
-- These requests for a list, each with its last error and its newest batch, without payload and metadata.
SELECT r.request_id, r.source_system, r.request_correlation_id, r.document_type, r.document_name, r.document_language,
       r.priority, r.status, r.stage, r.attempts, r.spent, r.revision,
       utc_text(r.created_at) AS created_at, utc_text(r.ended_at) AS ended_at,
       utc_text(r.resolved_at) AS resolved_at,
       CASE WHEN r.status = 'QUEUED' AND r.due_at > now() THEN utc_text(r.due_at) END AS due_at,
       e.category, own_text(e.category, e.description) AS description, b.thunderhead_batch_id, b.batch_name, b.dms_document_id,
       s.job, s.dag_run_id, coalesce(s.map_index, s.ordinal) AS map_index
FROM document_requests r
LEFT JOIN LATERAL last_error(r.request_id) e ON true
LEFT JOIN LATERAL (
    SELECT thunderhead_batch_id, batch_name, dms_document_id FROM thunderhead_batches
    WHERE request_id = r.request_id ORDER BY attempt DESC LIMIT 1) b ON true
LEFT JOIN slices s ON s.slice_id = r.slice_id
WHERE r.request_id = ANY (%(request_ids)s)
ORDER BY r.request_id DESC;

-- request_page --
-- The content of a request's page, without payload, metadata values and texts from outside. Of the metadata, only the keys
-- are returned; of the error texts, only our own.
SELECT json_build_object(
    'request_id', r.request_id, 'source_system', r.source_system, 'request_correlation_id', r.request_correlation_id,
    'document_type', r.document_type, 'document_name', r.document_name, 'document_language', r.document_language,
    'source_environment', r.source_environment, 'priority', r.priority, 'run_id', r.run_id, 'status', r.status, 'stage', r.stage,
    'revision', r.revision, 'attempts', r.attempts, 'spent', r.spent, 'client_subject', r.client_subject,
    'created_at', utc_text(r.created_at), 'not_before', utc_text(r.not_before), 'ended_at', utc_text(r.ended_at),
    'resolved_at', utc_text(r.resolved_at),
    'due_at', CASE WHEN r.status = 'QUEUED' AND r.due_at > now() THEN utc_text(r.due_at) END,
    'metadata_keys', (SELECT coalesce(json_agg(key ORDER BY key), '[]') FROM request_metadata
                      WHERE request_id = r.request_id),
    'has_content', EXISTS (SELECT FROM request_payloads p WHERE p.request_id = r.request_id),
    'batches', (
        SELECT coalesce(json_agg(json_build_object(
            'attempt', attempt, 'batch_name', batch_name, 'status', status, 'batch_config_id', batch_config_id,
            'job', s.job, 'dag_run_id', s.dag_run_id, 'map_index', coalesce(s.map_index, s.ordinal),
            'thunderhead_batch_id', thunderhead_batch_id, 'dms_document_id', dms_document_id, 'polls', polls,
            'created_at', utc_text(created_at), 'submitted_at', utc_text(submitted_at),
            'next_poll_at', CASE WHEN status = 'PROCESSING_THUNDERHEAD' THEN utc_text(next_poll_at) END,
            'document_id_missing_since',
            CASE WHEN status = 'PROCESSING_THUNDERHEAD' THEN utc_text(document_id_missing_since) END,
            'ended_at', utc_text(ended_at)) ORDER BY attempt), '[]')
        FROM thunderhead_batches LEFT JOIN slices s USING (slice_id) WHERE request_id = r.request_id),
    'errors', (
        SELECT coalesce(json_agg(json_build_object(
            'revision', revision, 'attempt', attempt, 'stage', stage, 'category', category,
            'job', s.job, 'dag_run_id', s.dag_run_id, 'map_index', coalesce(s.map_index, s.ordinal),
            'description', own_text(category, description), 'at', utc_text(at)) ORDER BY error_id), '[]')
        FROM request_errors LEFT JOIN slices s USING (slice_id) WHERE request_id = r.request_id),
    'events', (
        SELECT coalesce(json_agg(json_build_object(
            'event_id', event_id, 'revision', revision, 'created_at', utc_text(created_at),
            'published_at', utc_text(published_at), 'set_aside_reason', set_aside_reason) ORDER BY revision), '[]')
        FROM final_events WHERE request_id = r.request_id),
    'timeline', (
        SELECT coalesce(json_agg(json_build_object(
            'at', utc_text(t.at), 'event', t.event, 'actor', t.actor,
            'detail', t.detail - '{description,origin_user}'::text[], 'job', s.job,
            'dag_run_id', s.dag_run_id, 'map_index', coalesce(s.map_index, s.ordinal)) ORDER BY t.entry_id), '[]')
        FROM request_timeline t LEFT JOIN slices s USING (slice_id) WHERE t.request_id = r.request_id)
) AS request
FROM document_requests r WHERE r.request_id = %(request_id)s;

-- retry_now --
-- Make requests that wait for their back-off due now. Requests that do not wait are neither changed nor returned.
WITH woken AS (
    UPDATE document_requests SET due_at = now()
    WHERE request_id = ANY (%(request_ids)s) AND status = 'QUEUED' AND due_at > now()
      AND coalesce(not_before <= now(), true)  -- the client's own time is kept
    RETURNING request_id
), told AS (
    INSERT INTO request_timeline (request_id, event, actor) SELECT request_id, 'DUE_NOW', %(actor)s FROM woken
)
SELECT request_id FROM woken ORDER BY request_id;

-- look_at_content --
-- The payload that the client sent. The timeline keeps who looked.
WITH told AS (
    INSERT INTO request_timeline (request_id, event, actor, detail)
    SELECT request_id, 'LOOKED_AT', %(actor)s, '{"what": "json"}'
    FROM request_payloads WHERE request_id = %(request_id)s
)
SELECT content::text AS content FROM request_payloads WHERE request_id = %(request_id)s;

-- look_at_metadata --
-- The metadata of a request. The timeline keeps who looked.
WITH found AS (
    SELECT json_object_agg(key, value ORDER BY key)::text AS content FROM request_metadata
    WHERE request_id = %(request_id)s
), told AS (
    INSERT INTO request_timeline (request_id, event, actor, detail)
    SELECT %(request_id)s, 'LOOKED_AT', %(actor)s, '{"what": "metadata"}' FROM found WHERE content IS NOT NULL
)
SELECT content FROM found WHERE content IS NOT NULL;

-- look_at_errors --
-- The texts of a request's errors, which may quote its content. The timeline keeps who looked.
WITH found AS (
    SELECT json_agg(json_build_object('at', utc_text(at), 'attempt', attempt, 'category', category,
                                      'description', description) ORDER BY at, error_id)::text AS content
    FROM (
        SELECT error_id, at, attempt, category, description FROM request_errors WHERE request_id = %(request_id)s
        UNION ALL  -- of the kit's jobs: what an outside system said when it refused
        SELECT NULL, due_at, NULL, job, concat_ws(': ', refused_why, said) FROM job_items
        WHERE request_id = %(request_id)s AND refused_why IS NOT NULL) found
), told AS (
    INSERT INTO request_timeline (request_id, event, actor, detail)
    SELECT %(request_id)s, 'LOOKED_AT', %(actor)s, '{"what": "errors"}' FROM found WHERE content IS NOT NULL
)
SELECT content FROM found WHERE content IS NOT NULL;

-- look_at_xml --
-- The XML that was submitted to Thunderhead: of one attempt, or of the last. The timeline keeps who looked.
WITH found AS (
    SELECT x.xml AS content, b.attempt FROM thunderhead_batches b JOIN batch_payloads x USING (batch_key)
    WHERE b.request_id = %(request_id)s AND b.attempt = coalesce(%(attempt)s::integer, b.attempt)
    ORDER BY b.attempt DESC LIMIT 1
), told AS (
    INSERT INTO request_timeline (request_id, event, actor, detail)
    SELECT %(request_id)s, 'LOOKED_AT', %(actor)s, jsonb_build_object('what', 'xml', 'attempt', attempt) FROM found
)
SELECT content FROM found;

-- look_at_document --
-- The id of a request's document: of one attempt, or of the newest. The timeline keeps who looked.
WITH found AS (
    SELECT dms_document_id, attempt FROM thunderhead_batches
    WHERE request_id = %(request_id)s AND dms_document_id IS NOT NULL AND attempt = coalesce(%(attempt)s::integer, attempt)
    ORDER BY attempt DESC LIMIT 1
), told AS (
    INSERT INTO request_timeline (request_id, event, actor, detail)
    SELECT %(request_id)s, 'LOOKED_AT', %(actor)s, jsonb_build_object('what', 'pdf', 'attempt', attempt) FROM found
)
SELECT dms_document_id FROM found;

-- ends_over_time --
-- The requests accepted and ended, by status, in steps of equal length up to now. A step begins at a multiple of its
-- length, so that the answer changes only when a request changes or a new step begins.
WITH origin AS (
    SELECT date_bin(step, now(), '2001-01-01Z') - (%(steps)s::integer - 1) * step AS at, step
    FROM (SELECT %(step_seconds)s::integer * interval '1 second' AS step) given
), ended AS (
    SELECT date_bin((SELECT step FROM origin), ended_at, (SELECT at FROM origin)) AS from_at, status, count(*) AS number
    FROM document_requests WHERE ended_at >= (SELECT at FROM origin) AND ended_at < now() GROUP BY 1, 2
), came AS (
    SELECT date_bin((SELECT step FROM origin), created_at, (SELECT at FROM origin)) AS from_at, count(*) AS number
    FROM document_requests WHERE created_at >= (SELECT at FROM origin) AND created_at < now() GROUP BY 1
)
SELECT utc_text(s.from_at) AS from_at, coalesce(max(c.number), 0) AS accepted,
       coalesce(sum(e.number) FILTER (WHERE e.status = 'COMPLETED'), 0)::bigint AS completed,
       coalesce(sum(e.number) FILTER (WHERE e.status = 'FAILED'), 0)::bigint AS failed,
       coalesce(sum(e.number) FILTER (WHERE e.status = 'STOPPED'), 0)::bigint AS stopped
FROM (SELECT at + n * step AS from_at FROM origin, generate_series(0, %(steps)s::integer - 1) AS n) s
LEFT JOIN ended e USING (from_at) LEFT JOIN came c USING (from_at)
GROUP BY s.from_at ORDER BY s.from_at;

-- ends_by_client --
-- The requests that ended in the same time, by client and document, the most first.
WITH origin AS (
    SELECT date_bin(step, now(), '2001-01-01Z') - (%(steps)s::integer - 1) * step AS at
    FROM (SELECT %(step_seconds)s::integer * interval '1 second' AS step) given
)
SELECT source_system, document_name, count(*) AS number, count(*) FILTER (WHERE status = 'COMPLETED') AS completed,
       count(*) FILTER (WHERE status = 'FAILED') AS failed, count(*) FILTER (WHERE status = 'STOPPED') AS stopped
FROM document_requests WHERE ended_at >= (SELECT at FROM origin) AND ended_at < now()
GROUP BY source_system, document_name ORDER BY number DESC, source_system, document_name LIMIT 20;

-- quota_usage --
-- What each source system has used of its quotas, the closest to one of them first. What is open is counted now: the
-- intake counts it only while the source system calls. Without `hour`, nothing was handed in in this hour.
SELECT * FROM (
    SELECT u.source_system, o.open_requests,
           CASE WHEN u.hour > now() - interval '1 hour' THEN u.requests ELSE 0 END AS requests,
           CASE WHEN u.hour > now() - interval '1 hour' THEN u.bytes ELSE 0 END AS bytes,
           coalesce(q.most_open_requests, %(most_open_requests)s::bigint) AS most_open_requests,
           coalesce(q.most_requests_an_hour, %(most_requests_an_hour)s::bigint) AS most_requests_an_hour,
           coalesce(q.most_bytes_an_hour, %(most_bytes_an_hour)s::bigint) AS most_bytes_an_hour,
           CASE WHEN u.hour > now() - interval '1 hour' THEN utc_text(u.hour) END AS hour, utc_text(u.counted_at) AS counted_at
    FROM source_system_usage u LEFT JOIN source_system_quotas q
        ON q.source_system = u.source_system AND q.effect_from_dat <= CURRENT_DATE AND CURRENT_DATE < q.effect_to_dat
    CROSS JOIN LATERAL (
        SELECT (SELECT count(*) FROM document_requests r WHERE r.source_system = u.source_system AND r.status = 'QUEUED')
             + (SELECT count(*) FROM document_requests r WHERE r.source_system = u.source_system AND r.status = 'PROCESSING')
               AS open_requests) o
) used
ORDER BY greatest(open_requests::float / most_open_requests, requests::float / most_requests_an_hour,
                  bytes::float / most_bytes_an_hour) DESC, source_system LIMIT 20;

-- stock --
-- The number of requests in each state now, and since when the oldest one is in it. The states have the names by which
-- select_requests filters. A request needs a person if it ended red, was not withdrawn or resolved, and has its content.
SELECT 'due' AS state, count(*) AS number, utc_text(min(due_at)) AS oldest_at
FROM document_requests WHERE status = 'QUEUED' AND due_at <= now()
  AND NOT EXISTS (SELECT FROM stop_of(source_system, document_type, document_name, run_id, request_id))
UNION ALL
SELECT 'held', count(*), utc_text(min(created_at)) FROM document_requests
WHERE status = 'QUEUED' AND EXISTS (SELECT FROM stop_of(source_system, document_type, document_name, run_id, request_id))
UNION ALL
SELECT 'waiting', count(*), utc_text(min(created_at)) FROM document_requests WHERE status = 'QUEUED' AND due_at > now()
  AND NOT EXISTS (SELECT FROM stop_of(source_system, document_type, document_name, run_id, request_id))
UNION ALL
SELECT 'in_hand', count(*), utc_text(min(created_at)) FROM document_requests
WHERE status = 'PROCESSING' AND lease_until > now()
UNION ALL
SELECT 'at_thunderhead', count(*), utc_text(min(submitted_at)) FROM thunderhead_batches
WHERE status = 'PROCESSING_THUNDERHEAD'
UNION ALL
SELECT 'needs_person', count(*), utc_text(min(ended_at)) FROM document_requests r
WHERE status IN ('FAILED', 'STOPPED') AND erased_at IS NULL AND resolved_at IS NULL
  AND (status = 'FAILED' OR 'CANCELLED' IS DISTINCT FROM (SELECT category FROM last_error(r.request_id)))
UNION ALL
SELECT 'retrying', count(*), utc_text(min(created_at)) FROM document_requests WHERE spent > 0 AND ended_at IS NULL
UNION ALL
SELECT 'unpublished', count(DISTINCT request_id), utc_text(min(created_at)) FROM final_events
WHERE published_at IS NULL AND set_aside_at IS NULL
UNION ALL
SELECT 'set_aside', count(DISTINCT request_id), utc_text(min(set_aside_at)) FROM final_events
WHERE set_aside_at IS NOT NULL;

-- red_by_category --
-- The requests that need a person (see stock), by their last error. `cause`, of those without an error, is what select_requests
-- filters by.
SELECT r.status, r.stage, e.category, CASE WHEN e.category IS NULL THEN md5('') END AS cause, count(*) AS number, utc_text(min(r.ended_at)) AS oldest_at
FROM document_requests r
LEFT JOIN LATERAL last_error(r.request_id) e ON true
WHERE r.status IN ('FAILED', 'STOPPED') AND r.erased_at IS NULL AND r.resolved_at IS NULL
  AND (r.status = 'FAILED' OR e.category IS DISTINCT FROM 'CANCELLED')
GROUP BY r.status, r.stage, e.category ORDER BY number DESC LIMIT 50;

-- failures --
-- The requests that need a person (see stock), in groups: by the cause in their last error's text, document and client. With
-- the cause's text only if it is to be shown; `cause` is its hash, by which select_requests filters.
SELECT md5(c.cause) AS cause, CASE WHEN %(with_text)s THEN c.cause ELSE own_text(e.category, c.cause) END AS text,
       e.category, r.stage, r.status, r.source_system, r.document_type, r.document_name, count(*) AS number,
       utc_text(min(r.ended_at)) AS first_at, utc_text(max(r.ended_at)) AS last_at, max(r.request_id) AS newest,
       count(*) OVER () AS groups
FROM document_requests r
LEFT JOIN LATERAL last_error(r.request_id) e ON true
CROSS JOIN LATERAL (SELECT coalesce(error_cause(e.description), '') AS cause OFFSET 0) c
WHERE r.status IN ('FAILED', 'STOPPED') AND r.erased_at IS NULL AND r.resolved_at IS NULL
  AND (r.status = 'FAILED' OR e.category IS DISTINCT FROM 'CANCELLED')
GROUP BY c.cause, e.category, r.stage, r.status, r.source_system, r.document_type, r.document_name
ORDER BY number DESC, last_at DESC LIMIT 200;

-- retrying_by_category --
-- The open requests that have spent attempts, by their last error. Many of them are an early sign of an outage.
SELECT e.category, r.stage, count(*) AS number, max(r.spent) AS most_spent,
       count(*) FILTER (WHERE r.status = 'QUEUED' AND r.due_at > now()) AS waiting,
       utc_text(min(r.created_at)) AS oldest_created_at, utc_text(max(e.at)) AS last_at
FROM document_requests r
LEFT JOIN LATERAL last_error(r.request_id) e ON true
WHERE r.spent > 0 AND r.ended_at IS NULL
GROUP BY e.category, r.stage ORDER BY number DESC;

-- outside_systems --
-- The settings of every outside system. `version` is a hash of what operators have set. A change must name the version
-- that the operator saw.
SELECT system, document_type, utc_text(paused_at) AS paused_at, paused_by, paused_why,
       utc_text(paused_until) AS paused_until, most_in_flight,
       most_per_second::float AS most_per_second, bearable_per_second::float AS bears_per_second, failures,
       CASE WHEN open_until > now() THEN utc_text(open_until) END AS open_until, last_error,
       md5(row(paused_at, paused_by, paused_why, paused_until, most_in_flight, most_per_second)::text) AS version
FROM outside_systems ORDER BY system, document_type <> '*', document_type;

-- add_document_type --
-- Give a document type its own settings, which limit nothing yet. Settings that exist are not changed.
INSERT INTO outside_systems (system, document_type) VALUES (%(system)s, %(document_type)s) ON CONFLICT DO NOTHING
RETURNING system;

-- change_system --
-- Pause or resume an outside system, for one document type or all, or set its limits. Other values stay. Nothing is
-- changed if the settings are no longer those that the operator saw.
-- A resume also closes the breaker, even if a Retry-After has not passed yet.
UPDATE outside_systems
SET paused_at = CASE %(paused)s::boolean WHEN true THEN coalesce(paused_at, now()) WHEN false THEN NULL ELSE paused_at END,
    paused_by = CASE %(paused)s::boolean WHEN true THEN %(actor)s::text WHEN false THEN NULL ELSE paused_by END,
    paused_why = CASE %(paused)s::boolean WHEN true THEN %(why)s::text WHEN false THEN NULL ELSE paused_why END,
    paused_until = CASE %(paused)s::boolean WHEN true THEN %(until)s::timestamptz WHEN false THEN NULL ELSE paused_until END,
    most_in_flight = CASE WHEN %(sets_in_flight)s THEN %(most_in_flight)s::integer ELSE most_in_flight END,
    most_per_second = CASE WHEN %(sets_per_second)s THEN %(most_per_second)s::numeric ELSE most_per_second END,
    open_until = CASE %(paused)s::boolean WHEN false THEN NULL ELSE open_until END,
    next_call_at = CASE %(paused)s::boolean WHEN false THEN NULL ELSE next_call_at END,
    updated_at = now()
WHERE system = %(system)s AND document_type = %(document_type)s
  AND md5(row(paused_at, paused_by, paused_why, paused_until, most_in_flight, most_per_second)::text) = %(version)s
RETURNING system;

-- remove_dial --
-- Remove the settings of a document type. Those of the whole system stay. Nothing is removed if the settings are no
-- longer those that the operator saw.
DELETE FROM outside_systems
WHERE system = %(system)s AND document_type = %(document_type)s AND document_type <> '*'
  AND md5(row(paused_at, paused_by, paused_why, paused_until, most_in_flight, most_per_second)::text) = %(version)s
RETURNING system;

-- source_system_limits --
-- The limits of source systems at Thunderhead. A change must name the version that the operator saw.
SELECT source_system, most_in_flight, most_per_second::float AS most_per_second, set_by, utc_text(set_at) AS set_at,
       utc_text(until) AS until, md5(row(most_in_flight, most_per_second, until)::text) AS version
FROM source_system_limits ORDER BY source_system;

-- limit_source_system --
-- Set or change the limit of a source system, if it still is the one that the operator saw (null: none).
INSERT INTO source_system_limits AS l (source_system, most_in_flight, most_per_second, until, set_by)
SELECT %(source_system)s, %(most_in_flight)s, %(most_per_second)s, %(until)s::timestamptz, %(actor)s
WHERE (%(version)s::text IS NOT NULL) = EXISTS (
    SELECT FROM source_system_limits WHERE source_system = %(source_system)s)
ON CONFLICT (source_system) DO UPDATE
SET most_in_flight = excluded.most_in_flight, most_per_second = excluded.most_per_second, until = excluded.until,
    set_by = excluded.set_by, set_at = now()
WHERE md5(row(l.most_in_flight, l.most_per_second, l.until)::text) = %(version)s::text
RETURNING source_system;

-- unlimit_source_system --
-- Remove the limit of a source system, if it still is the one that the operator saw.
DELETE FROM source_system_limits
WHERE source_system = %(source_system)s AND md5(row(most_in_flight, most_per_second, until)::text) = %(version)s
RETURNING source_system;

-- history_of_row --
-- The changes of one row of reference data or configuration, newest first.
SELECT utc_text(at) AS at, changed_by, before, after FROM reference_data_history
WHERE kind = %(kind)s AND row_id = %(row_id)s ORDER BY entry_id DESC LIMIT 100;

-- reconciliations --
-- The newest daily reconciliations. Each number of discrepancies is complete.
SELECT to_char(window_from AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day, utc_text(window_from) AS window_from,
       utc_text(window_to) AS window_to, utc_text(made_at) AS made_at, dag_run_id, adds_up, counts
FROM reconciliations ORDER BY window_from DESC, window_to DESC LIMIT %(limit)s;

-- reconciliation_of --
-- The reconciliation of one window, with the first discrepancies of each kind.
SELECT utc_text(window_from) AS window_from, utc_text(window_to) AS window_to, utc_text(made_at) AS made_at, dag_run_id,
       adds_up, counts, discrepancies, ARRAY(
           SELECT DISTINCT it->>'kind' FROM jsonb_array_elements(discrepancies) AS listed (it)) AS kinds
FROM reconciliations WHERE window_from = %(window_from)s AND window_to = %(window_to)s;
