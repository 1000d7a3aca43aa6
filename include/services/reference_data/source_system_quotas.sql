-- select_source_system_quota --
-- One row, in force or not.
SELECT id, source_system, most_open_requests, most_requests_an_hour, most_bytes_an_hour, effect_from_dat, effect_to_dat, true AS editable
FROM source_system_quotas WHERE id = %(id)s;

-- hold_source_system_quota --
-- One row, locked until the end of the transaction.
SELECT id, source_system, most_open_requests, most_requests_an_hour, most_bytes_an_hour, effect_from_dat, effect_to_dat, true AS editable
FROM source_system_quotas WHERE id = %(id)s FOR UPDATE;

-- select_source_system_quotas --
-- All rows, including past and future ones.
SELECT id, source_system, most_open_requests, most_requests_an_hour, most_bytes_an_hour, effect_from_dat, effect_to_dat
FROM source_system_quotas ORDER BY source_system, effect_from_dat, id;

-- search_source_system_quotas --
-- The row of a source system that is in force on a day; NULL: today.
SELECT id, source_system, most_open_requests, most_requests_an_hour, most_bytes_an_hour, effect_from_dat, effect_to_dat
FROM source_system_quotas
WHERE source_system = %(source_system)s
  AND effect_from_dat <= coalesce(%(on)s, CURRENT_DATE) AND coalesce(%(on)s, CURRENT_DATE) < effect_to_dat;

-- lock_source_system_quota --
-- Serialise the writers for one source system until the end of the transaction.
SELECT pg_advisory_xact_lock(hashtextextended(%(source_system)s::text, 4));

-- select_source_system_quota_in_the_way --
-- A row that overlaps a new one and cannot end where the new one begins, because it begins later.
SELECT id, true AS editable, effect_from_dat
FROM source_system_quotas
WHERE source_system = %(source_system)s
  AND daterange(effect_from_dat, effect_to_dat) && daterange(
      coalesce(%(effect_from_dat)s, CURRENT_DATE), coalesce(%(effect_to_dat)s, DATE '4712-12-31'))
  AND effect_from_dat > coalesce(%(effect_from_dat)s, CURRENT_DATE)
ORDER BY effect_from_dat LIMIT 1;

-- end_older_source_system_quota --
-- End the rows that a new row overlaps on the day when it begins. A row that began on the same day was never in force.
UPDATE source_system_quotas
SET effect_to_dat = coalesce(%(effect_from_dat)s, CURRENT_DATE), updated_at = now()
WHERE source_system = %(source_system)s
  AND daterange(effect_from_dat, effect_to_dat) && daterange(
      coalesce(%(effect_from_dat)s, CURRENT_DATE), coalesce(%(effect_to_dat)s, DATE '4712-12-31'));

-- insert_source_system_quota --
-- Insert a row. Dates that are left out get the table's defaults.
INSERT INTO source_system_quotas (source_system, most_open_requests, most_requests_an_hour, most_bytes_an_hour, effect_from_dat, effect_to_dat)
VALUES (%(source_system)s, %(most_open_requests)s, %(most_requests_an_hour)s, %(most_bytes_an_hour)s,
        coalesce(%(effect_from_dat)s, CURRENT_DATE), coalesce(%(effect_to_dat)s, DATE '4712-12-31'))
RETURNING id, source_system, most_open_requests, most_requests_an_hour, most_bytes_an_hour, effect_from_dat, effect_to_dat;

-- update_source_system_quota --
-- Change a row. Dates that are left out do not change.
UPDATE source_system_quotas
SET source_system = %(source_system)s, most_open_requests = %(most_open_requests)s,
    most_requests_an_hour = %(most_requests_an_hour)s, most_bytes_an_hour = %(most_bytes_an_hour)s,
    effect_from_dat = coalesce(%(effect_from_dat)s, effect_from_dat),
    effect_to_dat = coalesce(%(effect_to_dat)s, effect_to_dat), updated_at = now()
WHERE id = %(id)s
RETURNING id, source_system, most_open_requests, most_requests_an_hour, most_bytes_an_hour, effect_from_dat, effect_to_dat;

-- end_source_system_quota --
-- End a row today. A row that has ended is not changed. A future row will never be in force.
UPDATE source_system_quotas
SET effect_to_dat = greatest(effect_from_dat, least(effect_to_dat, CURRENT_DATE)), updated_at = now()
WHERE id = %(id)s
RETURNING id;
