-- How the records were made, as JSON, where no file was uploaded; `format` is then `null` as JSON.
ALTER TABLE datasets ADD COLUMN generator TEXT;
