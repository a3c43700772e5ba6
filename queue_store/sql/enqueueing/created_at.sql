-- When a record came into being, for the login that has enqueued it: producers may not read the table.
SELECT created_at FROM public.own_records(ARRAY[%(record_id)s::bigint])
