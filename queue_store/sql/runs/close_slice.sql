-- Returns no row if the transaction is not the one that `open_slice` began. After `reset_session` it may be
-- committed.
DELETE FROM public.open_slices WHERE ctid = %(slice)s::text::tid RETURNING opened_at
