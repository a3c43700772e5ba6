-- Returns no row if the transaction is not the one that `open_slice` began. `reset_session`, which runs before this
-- statement, has allowed the COMMIT again.
DELETE FROM public.open_slices WHERE ctid = %(slice)s::text::tid RETURNING opened_at
