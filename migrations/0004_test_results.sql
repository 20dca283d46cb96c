-- What a run's model gave for each test record, as safetensors: kept as long as the run, whatever
-- becomes of the model.
CREATE TABLE test_results (
    run   TEXT PRIMARY KEY NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    data  BLOB NOT NULL
);
