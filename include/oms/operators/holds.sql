-- holds --
-- The holds in force, each in words and with the number of queued requests that it holds, counted up to 100,001.
SELECT h.hold_id, words_of_hold(h) AS subject, h.reason, h.held_by, utc_text(h.held_at) AS held_at,
       utc_text(h.until) AS until, q.number
FROM request_holds h CROSS JOIN LATERAL (
    SELECT count(*) AS number FROM (
        SELECT FROM document_requests r
        WHERE r.status = 'QUEUED' AND EXISTS (
            SELECT FROM stop_of(r.source_system, r.document_type, r.document_name, r.run_id, r.request_id) s
            WHERE s.hold_id = h.hold_id)
        LIMIT 100001) counted) q
WHERE h.released_at IS NULL AND (h.until IS NULL OR h.until > now())
ORDER BY h.hold_id;

-- hold_matching --
-- Create a hold. No job claims a matching request from now on: neither queued requests nor later ones.
INSERT INTO request_holds AS h (source_system, document_type, document_name, conditions, reason, held_by, until)
VALUES (%(source_system)s, %(document_type)s, %(document_name)s, %(conditions)s::jsonb, %(reason)s, %(actor)s, %(until)s::timestamptz)
RETURNING hold_id, words_of_hold(h) AS subject;

-- release_hold --
-- Release a hold, so that its requests may be claimed again. A hold that is over is neither changed nor returned. What may be
-- personal data in it is not kept.
UPDATE request_holds h SET released_at = now(), released_by = %(actor)s,
    conditions = conditions - '{metadata_value,error_text}'::text[]
WHERE hold_id = %(hold_id)s AND released_at IS NULL
RETURNING hold_id, words_of_hold(h) AS subject, reason, held_by;
