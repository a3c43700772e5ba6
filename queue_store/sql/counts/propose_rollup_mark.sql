-- Proposes `newest_id` as the next mark. It was read before this transaction had a transaction number. Every session
-- that wrote a delta up to `newest_id` had its own number by then, which is therefore lower than ours. (The default
-- of the delta's id takes the transaction number before the id.) The xmax of a snapshot would be wrong: it is above
-- the transactions that have ended, but not above those that still run.
UPDATE public.rollup_progress SET candidate_id = %(newest_id)s, candidate_transaction = pg_current_xact_id()
