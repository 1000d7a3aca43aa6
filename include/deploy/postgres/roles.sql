-- A login role for each part of OMS, so that each has only the rights that it needs. Safe to repeat; it also sets new
-- passwords. Run it as a role that may create roles, in the OMS Database, before `alembic upgrade head`, which grants the
-- rights (include/migrations/grants.sql):
--
--   psql -v ON_ERROR_STOP=1 -f include/deploy/postgres/roles.sql "host=... dbname=oms user=postgres"
--
-- A password comes from the environment: OMS_INTAKE_DATABASE_PASSWORD and so on. A role without one gets none: it logs
-- in by certificate, by the cloud's identity, or not at all.
\set intake ''
\set jobs ''
\set console ''
\set reference_data ''
\set reader ''
\getenv intake OMS_INTAKE_DATABASE_PASSWORD
\getenv jobs OMS_JOBS_DATABASE_PASSWORD
\getenv console OMS_CONSOLE_DATABASE_PASSWORD
\getenv reference_data OMS_REFERENCE_DATA_DATABASE_PASSWORD
\getenv reader OMS_READER_DATABASE_PASSWORD
SET password_encryption = 'scram-sha-256';
SET log_statement = 'none';  -- else a server that logs DDL logs the passwords

CREATE TEMP TABLE part (role name, password text);
INSERT INTO part VALUES ('oms_intake', :'intake'), ('oms_jobs', :'jobs'), ('oms_console', :'console'),
                        ('oms_reference_data', :'reference_data'), ('oms_reader', :'reader');

SELECT format('CREATE ROLE %I LOGIN', role) FROM part WHERE role NOT IN (SELECT rolname FROM pg_roles) \gexec
SELECT format('ALTER ROLE %I PASSWORD %L', role, password) FROM part WHERE password <> '' \gexec
SELECT format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), role) FROM part \gexec
