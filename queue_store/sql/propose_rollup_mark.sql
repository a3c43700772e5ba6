-- `newest_id` was read by an earlier statement: whoever numbered a delta up to it has a transaction number already,
-- because the delta's default takes that first, and that number lies below the one that comes next now.
UPDATE rollup_progress
SET candidate_id = %(newest_id)s, candidate_transaction = pg_snapshot_xmax(pg_current_snapshot())
