-- When a record was created. Only the login that enqueued it may ask, because producers may not read the table.
SELECT created_at FROM public.own_records(ARRAY[%(record_id)s::bigint])
