-- note_duty --
-- Note that a daily duty was completed now.
INSERT INTO daily_duties (duty) VALUES (%(duty)s) ON CONFLICT (duty) DO UPDATE SET done_at = now();
