-- The candidate waits for a transaction of the server that the backup was made on: this one may not come to that number
-- for years. The next fold proposes a new one.
UPDATE public.rollup_progress SET candidate_id = folded_through_id, candidate_transaction = NULL
