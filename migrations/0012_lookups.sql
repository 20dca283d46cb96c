-- What is looked up by what the job or run made: without these, the cost of a page or of a removal grows
-- with all that is stored.
CREATE INDEX models_by_run ON models (run);
CREATE INDEX jobs_by_model ON jobs (model) WHERE model IS NOT NULL;
CREATE INDEX jobs_by_kind ON jobs (kind, seq);
CREATE INDEX jobs_of_dataset ON jobs (dataset, seq);
CREATE INDEX runs_by_checkpoint ON runs (checkpoint) WHERE checkpoint IS NOT NULL;
