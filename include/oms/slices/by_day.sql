-- first_end_at --
-- The time of the first end of a request; null: no request has ended.
SELECT min(ended_at) AS at FROM document_requests WHERE ended_at IS NOT NULL;
