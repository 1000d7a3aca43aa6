-- exchange_usage --
-- Add what this process has stored of each source system, and return what all processes have stored in this hour. What is
-- open is counted only sometimes: it costs as much as there is. The order prevents a deadlock of two processes.
INSERT INTO source_system_usage AS u (source_system, hour, requests, bytes, open_requests)
SELECT s.source_system, to_timestamp(s.hour), s.requests, s.bytes, CASE WHEN %(counts_open)s THEN (
           SELECT count(*) FROM document_requests r WHERE r.source_system = s.source_system AND r.status = 'QUEUED'
       ) + (
           SELECT count(*) FROM document_requests r WHERE r.source_system = s.source_system AND r.status = 'PROCESSING'
       ) ELSE 0 END
FROM unnest(%(source_systems)s::text[], %(hours)s::bigint[], %(requests)s::bigint[], %(bytes)s::bigint[])
    AS s (source_system, hour, requests, bytes)
ORDER BY s.source_system
ON CONFLICT (source_system) DO UPDATE SET
    hour = greatest(u.hour, excluded.hour),
    requests = CASE WHEN u.hour < excluded.hour THEN 0 ELSE u.requests END + excluded.requests,
    bytes = CASE WHEN u.hour < excluded.hour THEN 0 ELSE u.bytes END + excluded.bytes,
    open_requests = CASE WHEN %(counts_open)s THEN excluded.open_requests ELSE u.open_requests END,
    counted_at = now()
RETURNING source_system, extract(epoch FROM hour)::bigint AS hour, requests, bytes, open_requests;
