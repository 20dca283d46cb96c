-- An evaluation is a job without a run; its jobs.run holds its own id, and jobs.model the model that
-- it evaluates. What it has done stands here.
CREATE TABLE evaluations (
    job      TEXT PRIMARY KEY NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    spec     TEXT NOT NULL,
    -- Parts of the dataset whose files are stored.
    parts    INTEGER NOT NULL DEFAULT 0,
    -- What was counted in them.
    tally    TEXT NOT NULL,
    -- Parts that may have files which nobody needs once the job has ended.
    files    INTEGER NOT NULL DEFAULT 0,
    seconds  REAL NOT NULL DEFAULT 0,
    report   TEXT
);
CREATE INDEX evaluations_by_files ON evaluations (files);
