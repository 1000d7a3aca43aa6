-- insert_request --
-- A request as the intake stores it.
INSERT INTO document_requests (
    source_system, request_correlation_id, content_hash, document_type, document_name, document_language,
    source_environment, client_subject)
VALUES ('CIBT', %(request_correlation_id)s, %(content_hash)s, %(document_type)s, %(document_name)s,
        %(document_language)s, %(source_environment)s, 'bench')
RETURNING request_id;

-- insert_payload --
-- Its content.
INSERT INTO request_payloads (request_id, content) VALUES (%(request_id)s, %(content)s);

-- insert_metadata --
-- One pair of its metadata.
INSERT INTO request_metadata (request_id, key, value) VALUES (%(request_id)s, %(key)s, %(value)s);

-- insert_timeline_entry --
-- Its first timeline entry.
INSERT INTO request_timeline (request_id, event, actor) VALUES (%(request_id)s, 'ACCEPTED', 'client:bench');

-- insert_bench_document --
-- A document name of the bench.
INSERT INTO reference_data (ref_data_type, ref_data_value) VALUES ('DOCUMENT_NAME', %(document_name)s)
ON CONFLICT DO NOTHING;

-- insert_bench_schema --
-- The schema of its content.
INSERT INTO document_schemas (document_name, schema) VALUES (%(document_name)s, %(schema)s::json)
ON CONFLICT DO NOTHING;

-- insert_bench_system --
-- A source system of the bench.
INSERT INTO reference_data (ref_data_type, ref_data_value) VALUES ('SOURCE_SYSTEM', %(source_system)s)
ON CONFLICT DO NOTHING;

-- insert_bench_quota --
-- Its quota, which one request uses up.
INSERT INTO source_system_quotas (source_system, most_open_requests, most_requests_an_hour, most_bytes_an_hour)
VALUES (%(source_system)s, 1000, 1, 1000000) ON CONFLICT DO NOTHING;
