-- What the user should know of a training that is part of a sweep or a diagnosis; that of others is the
-- job's.
ALTER TABLE runs ADD COLUMN warnings TEXT;
