-- One database and one owner each for OMS and Airflow; neither may enter the other's. The image runs it with the first
-- start, by psql, and stops at the first error.
\getenv password OMS_DATABASE_PASSWORD
CREATE ROLE oms LOGIN PASSWORD :'password';
CREATE DATABASE oms OWNER oms;
REVOKE ALL ON DATABASE oms FROM PUBLIC;
\getenv password AIRFLOW_DATABASE_PASSWORD
CREATE ROLE airflow LOGIN PASSWORD :'password';
CREATE DATABASE airflow OWNER airflow;
REVOKE ALL ON DATABASE airflow FROM PUBLIC;
