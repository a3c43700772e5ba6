-- Proposes `newest_id` as the next mark (the id up to which all deltas are folded). `newest_id` was read before this
-- transaction had a transaction number. When a transaction inserts a delta, the default of the column `id` first gives
-- the transaction its number, and then takes the id. So when `newest_id` was read, every transaction with a delta up to
-- that id already had its number. This transaction gets its number later, so its number is higher than the numbers of
-- all those transactions. The xmax of a snapshot would be wrong as `candidate_transaction`: it is above the numbers of
-- all ended transactions, but a running transaction can have a higher number.
UPDATE public.rollup_progress SET candidate_id = %(newest_id)s, candidate_transaction = pg_current_xact_id()
