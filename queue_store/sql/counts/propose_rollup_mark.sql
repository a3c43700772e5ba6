-- Proposes `newest_id` as the next mark (the id up to which all deltas are folded). `newest_id` was read before this
-- transaction had a transaction number. When `newest_id` was read, every transaction that wrote a delta with a lower or
-- equal id already had its transaction number: the default of the column id first assigns this number, and then the id.
-- Therefore all these numbers are lower than the number of this transaction. The xmax of a snapshot would be wrong as
-- `candidate_transaction`: it is above the transactions that have ended, but not always above those that still run.
UPDATE public.rollup_progress SET candidate_id = %(newest_id)s, candidate_transaction = pg_current_xact_id()
