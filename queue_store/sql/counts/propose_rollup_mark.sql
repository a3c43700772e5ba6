-- `newest_id` was read before this transaction had a number. A session that numbered a delta up to it had one already,
-- because the delta's default takes that first, and so a lower one. (A snapshot's xmax would not do: it lies above
-- the transactions that have ended, not above those that run.)
UPDATE public.rollup_progress SET candidate_id = %(newest_id)s, candidate_transaction = pg_current_xact_id()
