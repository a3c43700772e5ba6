-- Returns no row if the transaction is not the one that `open_slice` began. `reset_session` runs before this statement,
-- so the COMMIT after this statement is no longer refused.
DELETE FROM public.open_slices
WHERE ctid = %(slice)s::text::tid AND pg_current_xact_id_if_assigned()::text = %(transaction)s
RETURNING opened_at
