-- take_waiting_events --
-- The next events to publish, in the order of their ends, held until this transaction ends.
-- An event waits for the earlier ones of its request; publishers never wait on each other. Both conditions are asked of
-- each event in turn (a subquery for a value is), whatever PostgreSQL thinks of how many there are: it learns of a flood
-- a minute late.
SELECT e.event_seq, e.request_id, e.revision, e.topic, e.traceparent, e.event::text AS event
FROM final_events e
WHERE e.published_at IS NULL AND e.set_aside_at IS NULL
  AND (e.topic IS NOT NULL OR 0 < (  -- else it ended before enrichment: its topic has yet to be named
      SELECT r.attempts FROM document_requests r WHERE r.request_id = e.request_id))
  AND (e.revision = 1 OR 0 = (
      SELECT count(*) FROM final_events earlier
      WHERE earlier.request_id = e.request_id AND earlier.revision < e.revision
        AND earlier.published_at IS NULL AND earlier.set_aside_at IS NULL))
ORDER BY e.event_seq LIMIT %(limit)s
FOR UPDATE OF e SKIP LOCKED;

-- mark_published --
-- The broker has acknowledged these.
UPDATE final_events SET published_at = now() WHERE event_seq = ANY (%(event_seqs)s);

-- mark_unpublished --
-- The broker has refused these, each for its reason; what it refuses for good is set aside.
UPDATE final_events e
SET failures = e.failures + 1,
    set_aside_at = CASE WHEN w.for_good THEN now() END,
    set_aside_reason = CASE WHEN w.for_good THEN w.reason END
FROM unnest(%(event_seqs)s::bigint[], %(reasons)s::text[], %(for_good)s::boolean[]) AS w (event_seq, reason, for_good)
WHERE e.event_seq = w.event_seq;

-- events_wait --
-- Whether the outbox holds anything to publish.
SELECT EXISTS (SELECT FROM final_events WHERE published_at IS NULL AND set_aside_at IS NULL) AS events_wait;

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
