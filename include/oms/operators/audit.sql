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
  -- Ids grow with time, except for actions that are kept at the same moment. So the action next to a time limits the ids.
  AND (%(since)s::timestamptz IS NULL OR at >= %(since)s::timestamptz AND action_id >= (
      SELECT action_id - 1000 FROM operator_actions WHERE at >= %(since)s::timestamptz ORDER BY at LIMIT 1))
  AND (%(until)s::timestamptz IS NULL OR at < %(until)s::timestamptz AND action_id <= (
      SELECT action_id + 1000 FROM operator_actions WHERE at < %(until)s::timestamptz ORDER BY at DESC LIMIT 1))
ORDER BY action_id DESC LIMIT %(limit)s;
