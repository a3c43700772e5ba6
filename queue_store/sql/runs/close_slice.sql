-- Returns no row if the transaction is not the one that `open_slice` began. `reset_session`, which runs before this
-- statement, has allowed the COMMIT again.
DELETE FROM public.open_slices
WHERE ctid = %(slice)s::text::tid AND pg_current_xact_id_if_assigned()::text = %(transaction)s
RETURNING opened_at
