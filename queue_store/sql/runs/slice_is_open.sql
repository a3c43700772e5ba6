-- Returns a row if the transaction is the one that `open_slice` began, because only this transaction sees the row.
SELECT opened_at FROM public.open_slices WHERE ctid = %(slice)s::text::tid
