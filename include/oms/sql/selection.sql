-- select_requests --
-- A page of the requests that a selection means, newest first, each with its last error. A value that is NULL does
-- not matter. Never prepared: planned with its values, so that those that matter find their index.
WITH RECURSIVE systems AS (  -- every source system, one index probe each; looked at for correlation ids only
    (SELECT source_system FROM document_requests ORDER BY source_system LIMIT 1)
    UNION ALL
    SELECT (SELECT r.source_system FROM document_requests r
            WHERE r.source_system > s.source_system ORDER BY r.source_system LIMIT 1)
    FROM systems s WHERE s.source_system IS NOT NULL
), candidates AS (  -- one of the two, never both: where metadata matters, its index gives those with the first pair
    SELECT *, false AS by_metadata FROM document_requests
    UNION ALL
    SELECT r.*, true FROM request_metadata m JOIN document_requests r USING (request_id)
    WHERE m.key = (%(keys)s::text[])[1] AND m.value = (%(values)s::text[])[1] AND m.request_id < %(before)s::bigint
)
SELECT r.request_id, r.source_system, r.request_correlation_id, r.document_type, r.document_name,
       r.status, r.stage, e.category, r.revision, r.attempts, r.created_at, r.ended_at
FROM candidates r
LEFT JOIN LATERAL (
    SELECT category FROM request_errors WHERE request_id = r.request_id ORDER BY error_id DESC LIMIT 1) e ON true
WHERE r.request_id < %(before)s::bigint AND r.by_metadata = (%(keys)s::text[] IS NOT NULL)
  AND (%(request_ids)s::bigint[] IS NULL OR r.request_id = ANY (%(request_ids)s::bigint[]))
  AND (%(correlation_ids)s::text[] IS NULL
       OR r.request_correlation_id = ANY (%(correlation_ids)s::text[])
       AND r.source_system = ANY (ARRAY(SELECT source_system FROM systems)))
  AND (%(statuses)s::text[] IS NULL OR r.status = ANY (%(statuses)s::text[]))
  AND (%(stage)s::text IS NULL OR r.stage = %(stage)s::text)
  AND (%(source_system)s::text IS NULL OR r.source_system = %(source_system)s::text)
  AND (%(document_type)s::text IS NULL OR r.document_type = %(document_type)s::text)
  AND (%(document_name)s::text IS NULL OR r.document_name = %(document_name)s::text)
  AND (%(category)s::text IS NULL OR e.category = %(category)s::text)
  AND (%(withdrawn)s::boolean IS NULL
       OR (r.status = 'STOPPED' AND e.category IS NOT DISTINCT FROM 'CANCELLED') = %(withdrawn)s::boolean)
  AND (%(ended_from)s::timestamptz IS NULL OR r.ended_at >= %(ended_from)s::timestamptz)
  AND (%(ended_to)s::timestamptz IS NULL OR r.ended_at < %(ended_to)s::timestamptz)
  AND (coalesce(cardinality(%(keys)s::text[]), 0) <= 1 OR NOT EXISTS (
      SELECT FROM unnest(%(keys)s::text[], %(values)s::text[]) AS wanted (key, value)
      WHERE NOT EXISTS (SELECT FROM request_metadata m WHERE m.request_id = r.request_id
                        AND m.key = wanted.key AND m.value = wanted.value)))
ORDER BY r.request_id DESC LIMIT %(limit)s;

-- database_time --
-- What the database's clock says: the one that ended_at is read from.
SELECT now() AS at;
