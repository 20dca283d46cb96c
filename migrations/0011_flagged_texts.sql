-- How many of a model's flagged texts are kept; 0, the default, keeps none.
ALTER TABLE models ADD COLUMN store_texts INTEGER NOT NULL DEFAULT 0;

-- Scored texts that were flagged as outside, of models that keep them.
CREATE TABLE flagged_texts (
    seq        INTEGER PRIMARY KEY NOT NULL,
    model      TEXT NOT NULL REFERENCES models (id) ON DELETE CASCADE,
    text       TEXT NOT NULL,
    p_value    REAL NOT NULL,
    scored_at  INTEGER NOT NULL
);
CREATE INDEX flagged_texts_by_model ON flagged_texts (model, seq);
