-- keep_action --
-- Store one action of a person.
INSERT INTO operator_actions (actor, door, action, subject, request_id, number, reason, before, after)
VALUES (%(actor)s, %(door)s, %(action)s, %(subject)s, %(request_id)s, %(number)s, %(reason)s, %(before)s::jsonb,
        %(after)s::jsonb)
RETURNING action_id;

-- operator_actions --
-- A page of the audit trail, newest first. A filter that is NULL matches every action. The statement is never prepared:
-- PostgreSQL plans it with its values, so that the filters in use find their index.
SELECT action_id, utc_text(at) AS at, actor, door, action, subject, request_id, number, reason, before, after
FROM operator_actions
WHERE action_id < %(before_id)s::bigint
  AND (%(actor)s::text IS NULL OR actor = %(actor)s::text)
  AND (%(action)s::text IS NULL OR action = %(action)s::text)
  AND (%(request_id)s::bigint IS NULL OR request_id = %(request_id)s::bigint)
  AND (%(since)s::timestamptz IS NULL OR at >= %(since)s::timestamptz)
  AND (%(until)s::timestamptz IS NULL OR at < %(until)s::timestamptz)
ORDER BY action_id DESC LIMIT %(limit)s;
