-- The run whose last state a run went on from.
ALTER TABLE runs ADD COLUMN continues TEXT;
-- Whole epochs that the state under `checkpoint` has done.
ALTER TABLE runs ADD COLUMN checkpoint_epoch INTEGER;
-- Until now the file went with the end of the job, and its key stayed.
UPDATE runs SET checkpoint = NULL, checkpoint_step = NULL WHERE job IN
    (SELECT id FROM jobs WHERE status IN ('succeeded', 'stopped', 'cancelled', 'failed'));
