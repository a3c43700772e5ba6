-- Clears the candidate for the next mark. The candidate waits for a transaction number of the server on which the
-- backup was made, and this server may not reach that number for years. The next fold proposes a new candidate.
UPDATE public.rollup_progress SET candidate_id = folded_through_id, candidate_transaction = NULL
