-- holds --
-- The holds in force, each with the number of queued requests that it holds, counted up to 100,001.
SELECT h.hold_id, h.source_system, h.document_type, h.document_name, h.run_id, h.reason, h.held_by, utc_text(h.held_at) AS held_at,
       utc_text(h.until) AS until, q.number
FROM request_holds h CROSS JOIN LATERAL (
    SELECT count(*) AS number FROM (
        SELECT FROM document_requests r
        WHERE r.status = 'QUEUED'
          AND (h.source_system IS NULL OR r.source_system = h.source_system)
          AND (h.document_type IS NULL OR r.document_type = h.document_type)
          AND (h.document_name IS NULL OR r.document_name = h.document_name)
          AND (h.run_id IS NULL OR r.run_id = h.run_id)
          AND (h.above_request_id IS NULL OR r.request_id > h.above_request_id)
        LIMIT 100001) counted) q
WHERE h.released_at IS NULL AND (h.until IS NULL OR h.until > now())
ORDER BY h.hold_id;

-- hold_matching --
-- Create a hold. No job claims a matching request from now on: neither queued requests nor later ones.
INSERT INTO request_holds (source_system, document_type, document_name, reason, held_by, until)
VALUES (%(source_system)s, %(document_type)s, %(document_name)s, %(reason)s, %(actor)s, %(until)s::timestamptz)
RETURNING hold_id;

-- release_hold --
-- Release a hold, so that its requests may be claimed again. A hold that is over is neither changed nor returned.
UPDATE request_holds SET released_at = now(), released_by = %(actor)s
WHERE hold_id = %(hold_id)s AND released_at IS NULL
RETURNING hold_id, source_system, document_type, document_name, run_id, reason, held_by;
