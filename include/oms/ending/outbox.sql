-- claim_waiting_events --
-- Lease the next events to one publisher, in the order of their ends; topics take turns. Publishers never wait on each
-- other. An event waits for the earlier ones of its request. A topic that took nothing at the last try gets a few events
-- only. The number of events and of bytes is limited, but one event is always claimed.
-- A scalar subquery checks for each event in turn whether it waits for others. PostgreSQL cannot turn it into a join, whose
-- plan would be bad during a flood: its statistics are a minute late.
WITH due AS (
    SELECT d.*, row_number() OVER (PARTITION BY t.topic ORDER BY d.event_seq) AS turn
    FROM waiting_topics t CROSS JOIN LATERAL (
        SELECT e.event_seq, octet_length(e.event::text) AS bytes
        FROM final_events e
        WHERE e.published_at IS NULL AND e.set_aside_at IS NULL AND coalesce(e.topic, '') = t.topic
          AND coalesce(e.lease_until < now(), true) AND coalesce(e.next_try_at <= now(), true)
          AND (e.topic IS NOT NULL OR 0 < (  -- otherwise it ended before enrichment, and its topic is not known yet
              SELECT r.attempts FROM document_requests r WHERE r.request_id = e.request_id))
          AND (e.revision = 1 OR 0 = (
              SELECT count(*) FROM final_events earlier
              WHERE earlier.request_id = e.request_id AND earlier.revision < e.revision
                AND earlier.published_at IS NULL AND earlier.set_aside_at IS NULL))
        ORDER BY e.event_seq
        LIMIT CASE WHEN t.failures IS NULL THEN %(limit)s::integer ELSE %(on_probation)s::integer END
        FOR UPDATE OF e SKIP LOCKED) d
    WHERE coalesce(t.next_try_at <= now(), true) AND t.topic <> ALL (%(not_topics)s::text[])
), bounded AS (
    SELECT event_seq, row_number() OVER in_turn AS nth, sum(bytes) OVER in_turn AS bytes_so_far
    FROM due WINDOW in_turn AS (ORDER BY turn, event_seq)
), claimed AS (
    UPDATE final_events e
    SET lease_token = (SELECT nextval('lease_tokens')), lease_until = now() + %(lease_seconds)s * interval '1 second'
    FROM bounded b
    WHERE e.event_seq = b.event_seq AND (b.nth = 1 OR (b.nth <= %(limit)s::integer AND b.bytes_so_far <= %(most_bytes)s::integer))
    RETURNING e.event_seq, e.request_id, e.run_id, e.topic, e.traceparent, e.failures, e.lease_token, e.event::text AS event
)
SELECT * FROM claimed ORDER BY event_seq;

-- mark_published --
-- The broker has acknowledged these. Count the ends that they tell, once each, and for the first end of a request the
-- seconds from its acceptance: from `not_before` or its run's release, if that was later. The counts become metrics, so
-- pairs of document type and source system beyond `most_pairs` count as 'other'.
WITH marked AS (
    UPDATE final_events e SET published_at = now(), lease_token = NULL, lease_until = NULL, counted = true
    FROM (SELECT event_seq, counted FROM final_events WHERE event_seq = ANY (%(event_seqs)s)) was
    WHERE e.event_seq = was.event_seq
    RETURNING e.request_id, e.revision, e.traceparent, e.event->'data'->>'status' AS status, was.counted AS is_counted
), ended AS (
    SELECT r.document_type, r.source_system, m.status, split_part(m.traceparent, '-', 2) AS trace_id, m.revision > 1 AS is_later,
           greatest(extract(epoch FROM now() - greatest(r.created_at, r.not_before, h.released_at)), 0)::float AS seconds
    FROM marked m JOIN document_requests r USING (request_id)
    LEFT JOIN request_holds h ON h.run_id = r.run_id AND r.request_id > coalesce(h.above_request_id, 0)
    WHERE NOT m.is_counted AND m.status IS NOT NULL
), measured AS (
    SELECT document_type, source_system, status, trace_id, CASE WHEN is_later THEN 0 ELSE seconds END AS seconds,
           CASE WHEN is_later THEN 0 ELSE (%(bounds)s::float[] || 'Infinity'::float)[
               width_bucket(seconds, %(bounds)s::float[]) + 1] END AS within_seconds
    FROM ended
), known AS (
    SELECT DISTINCT document_type, source_system FROM end_counts
), labelled AS (
    SELECT CASE WHEN l.is_known THEN m.document_type ELSE 'other' END AS document_type,
           CASE WHEN l.is_known THEN m.source_system ELSE 'other' END AS source_system,
           m.status, m.within_seconds, m.seconds, m.trace_id
    FROM measured m CROSS JOIN LATERAL (
        SELECT (SELECT count(*) FROM known) < %(most_pairs)s OR EXISTS (
            SELECT FROM known k WHERE k.document_type = m.document_type AND k.source_system = m.source_system) AS is_known) l
)
INSERT INTO end_counts AS c (
    document_type, source_system, status, within_seconds, number, seconds, trace_id, trace_seconds, traced_at)
SELECT document_type, source_system, status, within_seconds, count(*), sum(seconds),
       max(trace_id), (array_agg(seconds ORDER BY trace_id DESC NULLS LAST))[1], CASE WHEN count(trace_id) > 0 THEN now() END
FROM labelled GROUP BY document_type, source_system, status, within_seconds
ORDER BY document_type, source_system, status, within_seconds  -- so that two publishers never wait for each other in a ring
ON CONFLICT (document_type, source_system, status, within_seconds) DO UPDATE
SET number = c.number + excluded.number, seconds = c.seconds + excluded.seconds,
    trace_id = coalesce(excluded.trace_id, c.trace_id), traced_at = coalesce(excluded.traced_at, c.traced_at),
    trace_seconds = CASE WHEN excluded.trace_id IS NULL THEN c.trace_seconds ELSE excluded.trace_seconds END;

-- put_back_events --
-- Return events that were not acknowledged. An event that failed by itself backs off, longer each time, and is set aside
-- after a number of failures. An event that the broker refuses for good is set aside immediately. Events that another
-- publisher has claimed meanwhile do not change.
UPDATE final_events e
SET lease_token = NULL, lease_until = NULL, failures = e.failures + w.by_itself::integer,
    next_try_at = CASE WHEN w.by_itself THEN
        now() + least(%(maximum_seconds)s::float, %(base_seconds)s::float * 2 ^ least(e.failures, 20)) * interval '1 second' END,
    set_aside_at = CASE WHEN w.for_good OR (w.by_itself AND e.failures + 1 >= %(most_failures)s) THEN now() END,
    set_aside_reason = CASE WHEN w.for_good OR (w.by_itself AND e.failures + 1 >= %(most_failures)s) THEN w.reason END
FROM unnest(%(event_seqs)s::bigint[], %(reasons)s::text[], %(for_good)s::boolean[], %(by_itself)s::boolean[])
    AS w (event_seq, reason, for_good, by_itself)
WHERE e.event_seq = w.event_seq AND e.lease_token = %(lease_token)s AND e.published_at IS NULL
RETURNING e.event_seq, e.set_aside_at IS NOT NULL AS is_set_aside;

-- topics_take_events --
-- These topics have taken an event: they are tried no less than others.
DELETE FROM event_topics WHERE topic = ANY (%(topics)s);

-- topics_took_nothing --
-- These topics took no event. The first time another run may try at once; then each waits, longer each time. Publishers
-- that met the same failure count once.
INSERT INTO event_topics AS t (topic, next_try_at, refused_since, last_error)
SELECT w.topic, now(), CASE WHEN w.refused THEN now() END, w.error
FROM unnest(%(topics)s::text[], %(refused)s::boolean[], %(errors)s::text[]) AS w (topic, refused, error)
ON CONFLICT (topic) DO UPDATE
SET failures = t.failures + 1, last_error = excluded.last_error,
    next_try_at = now() + least(%(maximum_seconds)s::float, %(base_seconds)s::float * 2 ^ least(t.failures - 1, 20)) * interval '1 second',
    refused_since = CASE WHEN excluded.refused_since IS NOT NULL THEN coalesce(t.refused_since, now()) END
WHERE t.next_try_at <= now();

-- set_aside_refused --
-- Set aside what waits for topics that the broker has refused for so long, some at a time.
UPDATE final_events e SET set_aside_at = now(), set_aside_reason = r.last_error
FROM event_topics t CROSS JOIN LATERAL (
    SELECT w.event_seq, t.last_error FROM final_events w
    WHERE w.published_at IS NULL AND w.set_aside_at IS NULL AND coalesce(w.topic, '') = t.topic
      AND coalesce(w.lease_until < now(), true)
    ORDER BY w.event_seq LIMIT %(limit)s FOR UPDATE SKIP LOCKED) r
WHERE t.refused_since < now() - %(refused_seconds)s * interval '1 second' AND e.event_seq = r.event_seq;

-- events_are_due --
-- Whether the outbox holds anything that may be published now.
SELECT EXISTS (SELECT FROM waiting_topics WHERE due_at <= now()) AS events_are_due;

-- outbox_by_topic --
-- What waits to be published, and what is set aside, by topic and reason, the most first. An empty topic: the default.
SELECT * FROM (
    SELECT coalesce(e.topic, '') AS topic, false AS is_set_aside, t.last_error AS reason, count(*) AS number,
           utc_text(min(e.created_at)) AS since,
           CASE WHEN t.next_try_at > now() THEN utc_text(t.next_try_at) END AS next_try_at
    FROM final_events e LEFT JOIN event_topics t ON t.topic = coalesce(e.topic, '')
    WHERE e.published_at IS NULL AND e.set_aside_at IS NULL
    GROUP BY coalesce(e.topic, ''), t.topic
    UNION ALL
    SELECT coalesce(topic, ''), true, set_aside_reason, count(*), utc_text(min(set_aside_at)), NULL
    FROM final_events WHERE set_aside_at IS NOT NULL
    GROUP BY coalesce(topic, ''), set_aside_reason) outbox
ORDER BY is_set_aside, number DESC, topic LIMIT 100;

-- release_set_aside --
-- Let these events go out after all, some at a time. What a later end of its request has overtaken stays: clients must
-- not learn of an old end after a new one.
WITH chosen AS (
    SELECT event_seq, request_id, revision FROM final_events
    WHERE set_aside_at IS NOT NULL AND coalesce(topic, '') = %(topic)s AND set_aside_reason = %(reason)s
      AND set_aside_reason <> 'a later end of its request has been published'
    ORDER BY event_seq LIMIT %(limit)s FOR UPDATE
), released AS (
    UPDATE final_events e
    SET set_aside_at = CASE WHEN o.overtaken THEN e.set_aside_at END,
        set_aside_reason = CASE WHEN o.overtaken THEN 'a later end of its request has been published' END,
        failures = 0, next_try_at = NULL
    FROM (SELECT c.event_seq, EXISTS (
              SELECT FROM final_events later WHERE later.request_id = c.request_id AND later.revision > c.revision
              AND later.published_at IS NOT NULL) AS overtaken
          FROM chosen c) o
    WHERE e.event_seq = o.event_seq
    RETURNING o.overtaken
), anew AS (  -- the topic is tried at once, and is not refused before it is
    DELETE FROM event_topics WHERE topic = %(topic)s
)
SELECT count(*) AS chosen, count(*) FILTER (WHERE NOT overtaken) AS released FROM released;

-- documents_without_topic --
-- The documents, by footer, of waiting events whose request ended before enrichment could name the topic.
SELECT DISTINCT r.document_name, coalesce(m.value, '0') AS footer_id
FROM final_events e
JOIN document_requests r USING (request_id)
LEFT JOIN request_metadata m ON m.request_id = r.request_id AND m.key = 'FOOTER_ID'
WHERE e.published_at IS NULL AND e.set_aside_at IS NULL AND e.topic IS NULL AND r.attempts = 0;

-- name_topics --
-- Name the topic of the waiting events of one document and footer.
UPDATE final_events e SET topic = %(topic)s
FROM document_requests r LEFT JOIN request_metadata m ON m.request_id = r.request_id AND m.key = 'FOOTER_ID'
WHERE e.published_at IS NULL AND e.set_aside_at IS NULL AND e.topic IS NULL AND e.request_id = r.request_id
  AND r.attempts = 0 AND r.document_name = %(document_name)s AND coalesce(m.value, '0') = %(footer_id)s;
