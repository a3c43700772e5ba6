-- Proposes `newest_id` as the next mark (the id up to which all deltas are folded). `newest_id` was read before this
-- transaction had a transaction number. The default of the column `id` assigns a transaction number before it assigns
-- an id. So when `newest_id` was read, every transaction with a delta up to that id already had its number. Therefore
-- all these numbers are lower than the number of this transaction. The xmax of a snapshot would be wrong as
-- `candidate_transaction`: it is above the numbers of all ended transactions, but a running transaction can have a
-- higher number.
UPDATE public.rollup_progress SET candidate_id = %(newest_id)s, candidate_transaction = pg_current_xact_id()
