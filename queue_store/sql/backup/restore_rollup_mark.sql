-- Clears the candidate for the next mark (the id up to which all deltas are folded). The candidate waits for a
-- transaction number of the server on which the backup was made. The server to which the backup is restored could take
-- years to reach that number. The next fold proposes a new candidate.
UPDATE public.rollup_progress SET candidate_id = folded_through_id, candidate_transaction = NULL
