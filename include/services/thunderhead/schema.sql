-- create --
-- The simulator's memory. Batches count from a million, so that none is taken for an id of the OMS Database.
PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;  -- survives the death of the process, not of the machine: enough for a simulator
CREATE TABLE IF NOT EXISTS batches (
    batch_id INTEGER PRIMARY KEY AUTOINCREMENT,
    batch_name TEXT NOT NULL,
    batch_config_id TEXT NOT NULL,
    created_at REAL NOT NULL,  -- seconds since 1970
    ends_at REAL NOT NULL,     -- PROCESSING until then, and while it waits to be rendered
    end_status TEXT NOT NULL,  -- COMPLETED, FAILED, STOPPED, or NEVER
    category TEXT,             -- why FAILED
    description TEXT,
    rendering TEXT,            -- WAITING, DONE, ON_DEMAND; null: there is nothing to render
    payload TEXT NOT NULL
);
INSERT INTO sqlite_sequence (name, seq)
SELECT 'batches', 1000000 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'batches');
-- select_batches_by_name
CREATE INDEX IF NOT EXISTS batches_by_name ON batches (batch_name, batch_id);
-- select_waiting
CREATE INDEX IF NOT EXISTS waiting_batches ON batches (batch_id) WHERE rendering = 'WAITING';
CREATE TABLE IF NOT EXISTS tries (
    request TEXT NOT NULL,
    fate TEXT NOT NULL,
    n INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (request, fate)
) WITHOUT ROWID;
