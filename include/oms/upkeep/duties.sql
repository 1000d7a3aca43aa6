-- note_duty --
-- A daily duty has been done in full.
INSERT INTO daily_duties (duty) VALUES (%(duty)s) ON CONFLICT (duty) DO UPDATE SET done_at = now();
