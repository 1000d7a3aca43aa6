-- resolve_requests --
-- Note that these red requests no longer need a person. Status and event stay. Requests that are not red, or already
-- resolved, are neither changed nor returned.
WITH resolved AS (
    UPDATE document_requests SET resolved_at = now()
    WHERE request_id = ANY (%(request_ids)s) AND status IN ('FAILED', 'STOPPED') AND resolved_at IS NULL
    RETURNING request_id
), told AS (
    INSERT INTO request_timeline (request_id, event, actor, detail)
    SELECT request_id, 'RESOLVED', %(actor)s, jsonb_build_object('why', %(why)s::text) FROM resolved
)
SELECT request_id FROM resolved ORDER BY request_id;

-- reopen_requests --
-- Note that these resolved requests need a person again.
WITH reopened AS (
    UPDATE document_requests SET resolved_at = NULL
    WHERE request_id = ANY (%(request_ids)s) AND status IN ('FAILED', 'STOPPED') AND resolved_at IS NOT NULL
    RETURNING request_id
), told AS (
    INSERT INTO request_timeline (request_id, event, actor, detail)
    SELECT request_id, 'REOPENED', %(actor)s, jsonb_build_object('why', %(why)s::text) FROM reopened
)
SELECT request_id FROM reopened ORDER BY request_id;
