-- A beat that stopped in order stays known, so that nobody says that none has ever run.
ALTER TABLE beats ADD COLUMN stopped_at timestamptz;
