-- Clears the candidate for the next mark. The mark is the id up to which all deltas are folded. A transaction number is
-- stored with the candidate, and the candidate can become the mark only when the server has reached this number. In a
-- backup, the number comes from the old server, and the new server could take years to reach it. The next fold proposes
-- a new candidate.
UPDATE public.rollup_progress SET candidate_id = folded_through_id, candidate_transaction = NULL
