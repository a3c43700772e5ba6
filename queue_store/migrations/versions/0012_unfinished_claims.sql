-- Claims since the last outcome that ended without one: raised by rescue, set to 0 by every outcome.
-- No CHECK: it would have every row read while everybody waits.
ALTER TABLE processing_queue ADD COLUMN unfinished_claims smallint NOT NULL DEFAULT 0;
COMMENT ON COLUMN processing_queue.unfinished_claims IS
    'Claims in a row that ended without an outcome, while the server was the same one. Any outcome sets it to 0.';

-- Whether the claims that such a run leaves count: it ended itself for an error, and no restart of Postgres was the cause.
ALTER TABLE flow_execution_logs ADD COLUMN leaves_unfinished boolean NOT NULL DEFAULT false;
