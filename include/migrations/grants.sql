-- oms_intake --
-- The Document Request API: it takes requests in, shows them to their client, and withdraws them. Of what was submitted
-- it gets one client's document at a time, by submitted_xml.
GRANT SELECT, INSERT ON document_requests TO oms_intake;
GRANT UPDATE (status, stage, revision, ended_at, slice_id, lease_token, lease_until, takeovers) ON document_requests TO oms_intake;
GRANT SELECT, INSERT ON request_payloads, request_metadata, request_errors, request_timeline TO oms_intake;
GRANT SELECT, UPDATE (status, unsure_since, ended_at, document_sha256, document_bytes, document_pages)
ON thunderhead_batches TO oms_intake;
GRANT SELECT, UPDATE ON outside_systems TO oms_intake;  -- the door to Thunderhead, for documents
GRANT INSERT, SELECT (event_seq, request_id, revision, event_id, published_at, set_aside_at),
    UPDATE (published_at, set_aside_at, set_aside_reason, failures, next_try_at, lease_token, lease_until)
ON final_events TO oms_intake;  -- a client's call to publish again
GRANT SELECT, INSERT, UPDATE (expected, closed_by, closed_at, completed_at) ON runs TO oms_intake;
GRANT SELECT ON run_progress, source_systems TO oms_intake;
GRANT SELECT, INSERT, UPDATE ON source_system_usage TO oms_intake;
GRANT SELECT, UPDATE (next_call_at) ON source_system_limits TO oms_intake;  -- the same
GRANT SELECT ON watchers, request_holds, bulk_operation_answers, end_counts TO oms_intake;
GRANT INSERT, UPDATE (above_request_id, released_by, released_at) ON request_holds TO oms_intake;  -- of its runs
GRANT INSERT, SELECT (operation_id, action, selection, door, origin, state, counted, worked, done, created_at, ended_at)
ON bulk_operations TO oms_intake;  -- a client's cancel by filter
GRANT INSERT, SELECT (action_id) ON operator_actions TO oms_intake;  -- a client's withdrawal
GRANT EXECUTE ON FUNCTION submitted_xml TO oms_intake;

-- oms_jobs --
-- Workers, triggerer and publisher.
GRANT SELECT, UPDATE ON outside_systems, watchers TO oms_jobs;
GRANT SELECT, INSERT, UPDATE ON age_alarms, archived_documents, daily_duties, end_counts, reconciliations, thunderhead_batches TO oms_jobs;
GRANT SELECT, INSERT, UPDATE (description) ON request_errors TO oms_jobs;  -- the erasure
GRANT SELECT, INSERT, UPDATE (detail) ON request_timeline TO oms_jobs;
GRANT SELECT, INSERT, UPDATE, DELETE ON batch_payloads, event_topics, failure_alarms, final_events, slices TO oms_jobs;
GRANT SELECT, DELETE ON request_payloads, request_metadata TO oms_jobs;
GRANT SELECT, UPDATE, DELETE ON document_requests, request_holds, runs TO oms_jobs;
GRANT SELECT, UPDATE ON erasures_to_check TO oms_jobs;
GRANT SELECT ON run_progress, source_systems TO oms_jobs;
GRANT SELECT ON waiting_topics TO oms_jobs;
GRANT SELECT, UPDATE (next_call_at), DELETE ON source_system_limits TO oms_jobs;  -- a limit whose time is over
GRANT SELECT, INSERT, UPDATE, DELETE ON bulk_operations, bulk_operation_answers, job_items TO oms_jobs;
GRANT SELECT, INSERT ON operator_actions TO oms_jobs;
GRANT EXECUTE ON FUNCTION prune_operator_actions TO oms_jobs;
GRANT USAGE ON SEQUENCE lease_tokens TO oms_jobs;
GRANT UPDATE ON SEQUENCE lease_tokens, document_requests_request_id_seq, slices_slice_id_seq, runs_run_id_seq TO oms_jobs;  -- after a restore

-- oms_console --
-- The operators' console, in Airflow's API server.
GRANT SELECT, UPDATE ON document_requests, thunderhead_batches TO oms_console;
GRANT SELECT, INSERT, UPDATE ON final_events, request_holds TO oms_console;
GRANT SELECT, INSERT ON request_errors, request_timeline, operator_actions TO oms_console;
GRANT SELECT, INSERT, UPDATE, DELETE ON outside_systems TO oms_console;
GRANT SELECT, INSERT, UPDATE, DELETE ON source_system_limits TO oms_console;
GRANT SELECT, INSERT, UPDATE ON bulk_operations, bulk_operation_answers TO oms_console;
GRANT SELECT, DELETE ON event_topics TO oms_console;
GRANT SELECT ON source_system_quotas, source_system_usage TO oms_console;
GRANT SELECT ON
    runs, run_progress, source_systems, request_payloads, request_metadata, batch_payloads, slices, job_items,
    archived_documents, watchers, reference_data_history, reconciliations
TO oms_console;

-- oms_reference_data --
-- The Reference Data API.
GRANT SELECT, INSERT, UPDATE ON reference_data, document_configurations, document_schemas, source_system_quotas TO oms_reference_data;
GRANT SELECT, INSERT ON reference_data_history TO oms_reference_data;

-- oms_reader --
-- Reports: all figures, states and times, and no personal data: no content, and no free text from outside.
GRANT SELECT (
    request_id, source_system, request_correlation_id, document_type, document_name, document_language,
    source_environment, priority, status, stage, attempts, spent, revision, takeovers, not_before, due_at, created_at,
    ended_at, erased_at, resolved_at, slice_id, run_id
) ON document_requests TO oms_reader;
GRANT SELECT (error_id, request_id, revision, attempt, stage, category, at, slice_id) ON request_errors TO oms_reader;
GRANT SELECT (entry_id, request_id, at, event, slice_id) ON request_timeline TO oms_reader;
GRANT SELECT (event_seq, request_id, revision, event_id, topic, created_at, published_at, failures, set_aside_at) ON final_events TO oms_reader;
GRANT SELECT (system, document_type, paused_at, most_in_flight, most_per_second, failures, open_until) ON outside_systems TO oms_reader;
GRANT SELECT (request_id, ended_at, slice_id, archived_at) ON archived_documents TO oms_reader;  -- until the next release drops it
GRANT SELECT (request_id, job, due_at, tries, slice_id, done_at) ON job_items TO oms_reader;
GRANT SELECT (run_id, source_system, expected, proofs, deadline, opened_at, closed_at, completed_at) ON runs TO oms_reader;
GRANT SELECT (window_from, window_to, made_at, adds_up, counts) ON reconciliations TO oms_reader;
GRANT SELECT ON
    thunderhead_batches, slices, reference_data, document_configurations, document_schemas, source_system_quotas,
    source_system_usage, age_alarms, daily_duties, end_counts
TO oms_reader;
