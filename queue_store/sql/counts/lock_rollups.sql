-- Only one process folds at a time. Returns no row if another process is folding. The mark is the id up to which all
-- deltas are folded. The mark moves to `candidate_id` (see propose_rollup_mark.sql) if two conditions hold. First,
-- every transaction that is older than `candidate_transaction` has ended. Second, no delta with an id up to
-- `candidate_id` is left.
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
