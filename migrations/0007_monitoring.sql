-- What was scored, counted into windows of time. No record is kept.
CREATE TABLE monitoring_windows (
    model      TEXT NOT NULL REFERENCES models (id) ON DELETE CASCADE,
    starts_at  INTEGER NOT NULL,
    ends_at    INTEGER NOT NULL,
    counts     TEXT NOT NULL,
    PRIMARY KEY (model, starts_at, ends_at)
) WITHOUT ROWID;

-- Whether a model's stream of scored records has drifted: where its sequential test stands.
CREATE TABLE monitoring_streams (
    model  TEXT PRIMARY KEY NOT NULL REFERENCES models (id) ON DELETE CASCADE,
    state  TEXT NOT NULL
) WITHOUT ROWID;
