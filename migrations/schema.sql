CREATE TABLE aliases (
    name TEXT NOT NULL,
    alias TEXT NOT NULL,
    model TEXT NOT NULL REFERENCES models (id),
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (name, alias)
) WITHOUT ROWID;

CREATE INDEX aliases_by_model ON aliases (model);

CREATE TABLE datasets (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    format TEXT NOT NULL,
    rows INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    profile TEXT NOT NULL,
    row_index TEXT NOT NULL,
    created_at INTEGER NOT NULL
, generator TEXT);

CREATE INDEX datasets_by_time ON datasets (created_at DESC, id DESC);

CREATE TABLE evaluations (
    job TEXT PRIMARY KEY NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    spec TEXT NOT NULL,
    parts INTEGER NOT NULL DEFAULT 0,
    tally TEXT NOT NULL,
    files INTEGER NOT NULL DEFAULT 0,
    seconds REAL NOT NULL DEFAULT 0,
    report TEXT
);

CREATE INDEX evaluations_by_files ON evaluations (files);

CREATE TABLE flagged_texts (
    seq INTEGER PRIMARY KEY NOT NULL,
    model TEXT NOT NULL REFERENCES models (id) ON DELETE CASCADE,
    text TEXT NOT NULL,
    p_value REAL NOT NULL,
    scored_at INTEGER NOT NULL
);

CREATE INDEX flagged_texts_by_model ON flagged_texts (model, seq);

CREATE TABLE idempotency_keys (
    key TEXT PRIMARY KEY NOT NULL,
    route TEXT NOT NULL,
    body TEXT NOT NULL,
    status INTEGER NOT NULL,
    location TEXT NOT NULL,
    answer TEXT NOT NULL,
    created_at INTEGER NOT NULL
);

CREATE TABLE job_events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    type TEXT NOT NULL,
    data TEXT NOT NULL,
    at INTEGER NOT NULL
);

CREATE INDEX job_events_by_job ON job_events (job, seq);

CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN
    ('queued', 'running', 'cancelling', 'succeeded', 'stopped', 'cancelled', 'failed')),
    dataset TEXT NOT NULL,
    run TEXT NOT NULL UNIQUE,
    model TEXT,
    model_name TEXT,
    spec TEXT NOT NULL,
    progress REAL NOT NULL DEFAULT 0,
    phase TEXT,
    eta_seconds REAL,
    end_requested TEXT CHECK (end_requested IN ('stop', 'cancel')),
    warnings TEXT NOT NULL DEFAULT '[]',
    error TEXT,
    attempt INTEGER NOT NULL DEFAULT 0,
    max_attempts INTEGER NOT NULL,
    lease TEXT,
    lease_expires_at INTEGER,
    worker TEXT,
    version INTEGER NOT NULL DEFAULT 1,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    updated_at INTEGER NOT NULL
);

CREATE INDEX jobs_by_dataset ON jobs (dataset, status);

CREATE INDEX jobs_by_kind ON jobs (kind, seq);

CREATE INDEX jobs_by_model ON jobs (model) WHERE model IS NOT NULL;

CREATE INDEX jobs_by_model_name ON jobs (model_name, status);

CREATE INDEX jobs_by_status ON jobs (status, seq);

CREATE INDEX jobs_of_dataset ON jobs (dataset, seq);

CREATE TABLE metric_chunks (
    run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    first_step INTEGER NOT NULL,
    last_step INTEGER NOT NULL,
    points INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (run, name, first_step)
) WITHOUT ROWID;

CREATE TABLE models (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT,
    job TEXT UNIQUE,
    run TEXT,
    dataset TEXT NOT NULL,
    task TEXT NOT NULL,
    spec TEXT NOT NULL,
    card TEXT NOT NULL,
    artifact TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    created_at INTEGER NOT NULL
, store_texts INTEGER NOT NULL DEFAULT 0);

CREATE INDEX models_by_artifact ON models (artifact);

CREATE INDEX models_by_name ON models (name, created_at DESC, id DESC);

CREATE INDEX models_by_run ON models (run);

CREATE INDEX models_by_time ON models (created_at DESC, id DESC);

CREATE TABLE monitoring_streams (
    model TEXT PRIMARY KEY NOT NULL REFERENCES models (id) ON DELETE CASCADE,
    state TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE monitoring_windows (
    model TEXT NOT NULL REFERENCES models (id) ON DELETE CASCADE,
    starts_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    counts TEXT NOT NULL,
    PRIMARY KEY (model, starts_at, ends_at)
) WITHOUT ROWID;

CREATE TABLE probes (
    run TEXT PRIMARY KEY NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    probe TEXT NOT NULL,
    outcome TEXT NOT NULL
);

CREATE INDEX probes_by_job ON probes (job, number);

CREATE TABLE remedies (
    job TEXT PRIMARY KEY NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    model TEXT NOT NULL,
    diagnosis TEXT NOT NULL,
    finding TEXT NOT NULL
);

CREATE TABLE reports (
    job TEXT PRIMARY KEY NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    model TEXT NOT NULL REFERENCES models (id) ON DELETE CASCADE,
    spec TEXT NOT NULL,
    report TEXT,
    created_at INTEGER NOT NULL
);

CREATE INDEX reports_by_model ON reports (model, created_at);

CREATE TABLE runs (
    id TEXT PRIMARY KEY NOT NULL,
    job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    spec TEXT NOT NULL,
    environment TEXT,
    metrics TEXT,
    best_epoch INTEGER,
    epochs INTEGER,
    steps INTEGER,
    end_reason TEXT,
    seconds TEXT,
    checkpoint TEXT,
    checkpoint_step INTEGER,
    created_at INTEGER NOT NULL
, range_test TEXT, continues TEXT, checkpoint_epoch INTEGER, warnings TEXT);

CREATE INDEX runs_by_checkpoint ON runs (checkpoint) WHERE checkpoint IS NOT NULL;

CREATE INDEX runs_by_job ON runs (job);

CREATE INDEX runs_by_time ON runs (created_at DESC, id DESC);

CREATE TABLE sweeps (
    job TEXT PRIMARY KEY NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    spec TEXT NOT NULL
);

CREATE TABLE test_results (
    run TEXT PRIMARY KEY NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    data BLOB NOT NULL
);

CREATE TABLE trials (
    run TEXT PRIMARY KEY NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    parameters TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN
    ('waiting', 'running', 'paused', 'finished', 'pruned', 'failed', 'skipped')),
    measured TEXT NOT NULL DEFAULT '[]',
    epochs INTEGER NOT NULL DEFAULT 0,
    steps INTEGER NOT NULL DEFAULT 0,
    error TEXT
);

CREATE INDEX trials_by_job ON trials (job, number, run);
