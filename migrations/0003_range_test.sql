-- What a learning-rate range test found, as JSON.
ALTER TABLE runs ADD COLUMN range_test TEXT;
