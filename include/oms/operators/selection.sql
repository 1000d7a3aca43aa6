-- select_requests --
-- A page of the requests of a selection in one of three orders, each with its last error. A filter that is NULL matches every
-- request. The statement is never prepared: PostgreSQL plans it with its values, so that the filters in use find their
-- index. Metadata and error category are looked up among the `newest` requests that have them; NULL: among all.
-- The console's list, counts, export and retrigger use this query, and so does document_retrigger.
SELECT r.request_id, r.source_system, r.request_correlation_id, r.document_type, r.document_name,
       r.status, r.stage, e.category, r.revision, r.attempts, r.created_at, r.ended_at
FROM document_requests r
LEFT JOIN LATERAL last_error(r.request_id) e ON true
WHERE r.request_id < %(before)s::bigint AND (%(after)s::bigint IS NULL OR r.request_id > %(after)s::bigint)
  AND (%(order)s::text <> 'ended' OR r.ended_at IS NOT NULL)
  AND (%(ended_before)s::timestamptz IS NULL
       OR (r.ended_at, r.request_id) < (%(ended_before)s::timestamptz, %(ended_before_id)s::bigint))
  AND (%(request_ids)s::bigint[] IS NULL OR r.request_id = ANY (%(request_ids)s::bigint[]))
  AND (%(correlation_ids)s::text[] IS NULL
       OR r.request_correlation_id = ANY (%(correlation_ids)s::text[])
       AND r.source_system = ANY (ARRAY(SELECT source_system FROM source_systems)))
  AND (%(statuses)s::text[] IS NULL OR r.status = ANY (%(statuses)s::text[]))
  AND (%(stage)s::text IS NULL OR r.stage = %(stage)s::text)
  AND (%(source_system)s::text IS NULL OR r.source_system = %(source_system)s::text)
  AND (%(run_id)s::bigint IS NULL OR r.run_id = %(run_id)s::bigint)
  AND (%(batch_id)s::bigint IS NULL OR r.request_id = ANY (ARRAY(
      SELECT request_id FROM thunderhead_batches WHERE thunderhead_batch_id = %(batch_id)s::bigint)))
  AND (%(batch_name)s::text IS NULL OR r.request_id = ANY (ARRAY(  -- a name has its request's id: PREFIX-request-attempt
      SELECT request_id FROM thunderhead_batches
      WHERE request_id = (regexp_match(%(batch_name)s::text, '-([0-9]{1,18})-[0-9]+$'))[1]::bigint
        AND batch_name = %(batch_name)s::text)))
  AND (%(document)s::text IS NULL OR r.document_name = %(document)s::text OR r.document_type = %(document)s::text)
  AND (%(document_type)s::text IS NULL OR r.document_type = %(document_type)s::text)
  AND (%(document_name)s::text IS NULL OR r.document_name = %(document_name)s::text)
  AND (%(category)s::text IS NULL OR e.category = %(category)s::text
       -- Red requests are few and have their own index. Of all others, take those that ever had such an error.
       AND ((%(statuses)s::text[] <@ '{FAILED,STOPPED}') IS TRUE
            OR %(state)s::text IN ('needs_person', 'resolved', 'retrying') OR r.request_id = ANY (ARRAY(
           SELECT n.request_id FROM request_errors n
           WHERE n.category = %(category)s::text AND n.request_id < %(before)s::bigint
           ORDER BY n.request_id DESC LIMIT %(newest)s::bigint))))
  AND (%(state)s::text IS NULL OR CASE %(state)s::text
      WHEN 'due' THEN r.status = 'QUEUED' AND r.due_at <= now()
          AND NOT EXISTS (SELECT FROM stop_of(r.source_system, r.document_type, r.document_name, r.run_id, r.request_id))
      WHEN 'held' THEN r.status = 'QUEUED'
          AND EXISTS (SELECT FROM stop_of(r.source_system, r.document_type, r.document_name, r.run_id, r.request_id))
      WHEN 'waiting' THEN r.status = 'QUEUED' AND r.due_at > now()
          AND NOT EXISTS (SELECT FROM stop_of(r.source_system, r.document_type, r.document_name, r.run_id, r.request_id))
      WHEN 'in_hand' THEN r.status = 'PROCESSING' AND r.lease_until > now()
      WHEN 'at_thunderhead' THEN r.request_id = ANY (ARRAY(
          SELECT request_id FROM thunderhead_batches WHERE status = 'PROCESSING_THUNDERHEAD'))
      WHEN 'needs_person' THEN r.status IN ('FAILED', 'STOPPED') AND r.erased_at IS NULL AND r.resolved_at IS NULL
          AND (r.status = 'FAILED' OR e.category IS DISTINCT FROM 'CANCELLED')
      WHEN 'resolved' THEN r.status IN ('FAILED', 'STOPPED') AND r.resolved_at IS NOT NULL
      WHEN 'retrying' THEN r.spent > 0 AND r.ended_at IS NULL
      WHEN 'unpublished' THEN r.request_id = ANY (ARRAY(
          SELECT request_id FROM final_events WHERE published_at IS NULL AND set_aside_at IS NULL))
      WHEN 'set_aside' THEN r.request_id = ANY (ARRAY(
          SELECT request_id FROM final_events WHERE set_aside_at IS NOT NULL))
      END)
  AND (%(hold_id)s::bigint IS NULL OR r.status = 'QUEUED' AND EXISTS (
      SELECT FROM stop_of(r.source_system, r.document_type, r.document_name, r.run_id, r.request_id) s
      WHERE s.hold_id = %(hold_id)s::bigint))
  AND (%(cause)s::text IS NULL OR md5(coalesce(error_cause(e.description), '')) = %(cause)s::text)
  AND (%(error_text)s::text IS NULL OR strpos(lower(e.description), lower(%(error_text)s::text)) > 0)
  AND (NOT %(retrying)s::boolean OR (r.spent > 0 AND r.ended_at IS NULL))
  AND (%(withdrawn)s::boolean IS NULL
       OR (r.status = 'STOPPED' AND e.category IS NOT DISTINCT FROM 'CANCELLED') = %(withdrawn)s::boolean)
  AND (NOT %(unresolved)s::boolean OR r.resolved_at IS NULL)
  AND (%(ended_from)s::timestamptz IS NULL OR r.ended_at >= %(ended_from)s::timestamptz)
  AND (%(ended_to)s::timestamptz IS NULL OR r.ended_at < %(ended_to)s::timestamptz)
  AND (%(created_from)s::timestamptz IS NULL OR r.created_at >= %(created_from)s::timestamptz)
  AND (%(created_to)s::timestamptz IS NULL OR r.created_at < %(created_to)s::timestamptz
      -- Ids grow with time, except for transactions still open. The largest id of the hour before `created_to` is
      -- therefore the upper limit. "+ 0" keeps the planner from a backward scan of the ids, which starts at now.
      AND r.request_id <= coalesce((
          SELECT max(n.request_id + 0) FROM document_requests n
          WHERE n.created_at >= %(created_to)s::timestamptz - interval '1 hour'
            AND n.created_at < %(created_to)s::timestamptz), %(before)s::bigint))
  AND (%(keys)s::text[] IS NULL OR r.request_id = ANY (ARRAY(  -- the index finds the requests with the first pair
      SELECT request_id FROM request_metadata m
      WHERE m.key = (%(keys)s::text[])[1] AND m.value = (%(values)s::text[])[1] AND m.request_id < %(before)s::bigint
      ORDER BY m.request_id DESC LIMIT %(newest)s::bigint)))
  AND (coalesce(cardinality(%(keys)s::text[]), 0) <= 1 OR NOT EXISTS (
      SELECT FROM unnest(%(keys)s::text[], %(values)s::text[]) AS wanted (key, value)
      WHERE NOT EXISTS (SELECT FROM request_metadata m WHERE m.request_id = r.request_id
                        AND m.key = wanted.key AND m.value = wanted.value)))
-- What is not the wanted order becomes a constant, which the planner leaves out: an index gives the rows in this order.
ORDER BY CASE WHEN %(order)s::text = 'ended' THEN r.ended_at END DESC,
         CASE WHEN %(order)s::text = 'oldest' THEN r.request_id END,
         r.request_id DESC LIMIT %(limit)s;

-- database_time --
-- The time of the database's clock, which also sets ended_at.
SELECT now() AS at;
