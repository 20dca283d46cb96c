-- A sweep is a job; what it does stands here, and its trainings are runs.
CREATE TABLE sweeps (
    job   TEXT PRIMARY KEY NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    spec  TEXT NOT NULL
);

CREATE TABLE trials (
    run         TEXT PRIMARY KEY NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    job         TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    number      INTEGER NOT NULL,
    parameters  TEXT NOT NULL,
    status      TEXT NOT NULL CHECK (status IN
        ('waiting', 'running', 'paused', 'finished', 'pruned', 'failed', 'skipped')),
    -- The metric after each stage, as a list.
    measured    TEXT NOT NULL DEFAULT '[]',
    epochs      INTEGER NOT NULL DEFAULT 0,
    steps       INTEGER NOT NULL DEFAULT 0,
    error       TEXT
);
CREATE INDEX trials_by_job ON trials (job, number, run);
