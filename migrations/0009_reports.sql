-- What the limitations of a model are: the report of a diagnosis, which grows while its job runs.
CREATE TABLE reports (
    job         TEXT PRIMARY KEY NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    model       TEXT NOT NULL REFERENCES models (id) ON DELETE CASCADE,
    spec        TEXT NOT NULL,
    report      TEXT,
    created_at  INTEGER NOT NULL
);
CREATE INDEX reports_by_model ON reports (model, created_at);

-- The probes of a diagnosis that have ended, in that order: what it goes on from.
CREATE TABLE probes (
    run      TEXT PRIMARY KEY NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    job      TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    number   INTEGER NOT NULL,
    probe    TEXT NOT NULL,
    outcome  TEXT NOT NULL
);
CREATE INDEX probes_by_job ON probes (job, number);

-- Trainings that were asked for as the remedy of a finding.
CREATE TABLE remedies (
    job        TEXT PRIMARY KEY NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    model      TEXT NOT NULL,
    diagnosis  TEXT NOT NULL,
    finding    TEXT NOT NULL
);
