-- Only one process folds at a time; returns no row if another one is folding. Moves the mark up to the candidate
-- once every transaction that could have added a delta below the candidate has ended.
WITH mine AS MATERIALIZED (
    SELECT 1 FROM public.rollup_progress FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE public.rollup_progress p
SET folded_at = clock_timestamp(),
    folded_through_id = CASE WHEN pg_snapshot_xmin(pg_current_snapshot()) >= p.candidate_transaction
        AND NOT EXISTS (SELECT FROM public.rollup_deltas d WHERE d.id > p.folded_through_id AND d.id <= p.candidate_id)
    THEN p.candidate_id ELSE p.folded_through_id END
FROM mine
RETURNING p.folded_through_id, p.folded_through_id >= p.candidate_id AS wants_candidate
