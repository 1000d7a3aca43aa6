-- begin_session --
-- Set what every session of ours has; durations are bound as text, in milliseconds. What is read is in memory, or on a
-- disk without moving parts: a random read costs little more than the next one. Days begin and end in UTC.
SELECT set_config('statement_timeout', %(statement_timeout)s, false) AS statement_timeout,
       set_config('lock_timeout', %(lock_timeout)s, false) AS lock_timeout,
       set_config('idle_in_transaction_session_timeout', %(idle_in_transaction)s, false) AS idle_in_transaction,
       set_config('random_page_cost', '1.1', false) AS random_page_cost,
       set_config('TimeZone', 'UTC', false) AS time_zone;

-- session_settings --
-- What the session has kept of it, and which server process answers.
SELECT pg_backend_pid() AS backend_pid,
       current_setting('statement_timeout') AS statement_timeout,
       current_setting('lock_timeout') AS lock_timeout,
       current_setting('idle_in_transaction_session_timeout') AS idle_in_transaction,
       current_setting('random_page_cost') AS random_page_cost,
       current_setting('TimeZone') AS time_zone;

-- long_transactions --
-- The oldest transactions of this database, which a migration may wait for: as old at least as its wait for a lock.
SELECT pid, application_name, extract(epoch FROM now() - xact_start)::integer AS seconds
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start < now() - interval '0.5 seconds'
ORDER BY xact_start LIMIT 3;

-- revokes --
-- Statements that take away all that a role may do with the tables, sequences and functions of this database's owner.
SELECT format('REVOKE ALL ON %%s %%s FROM %%I', kind, string_agg(name, ', '), %(role)s::text) AS revoke
FROM (SELECT CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind, oid::regclass::text AS name
      FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'S')
      AND pg_has_role(relowner, 'USAGE')
      UNION ALL
      SELECT 'FUNCTION', oid::regprocedure::text FROM pg_proc
      WHERE pronamespace = 'public'::regnamespace AND prosecdef AND pg_has_role(proowner, 'USAGE')) AS ours
GROUP BY kind;
