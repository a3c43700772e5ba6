-- Returns the time at which a record was created, but only to the login that enqueued the record. Producers have no
-- right to read the table itself.
SELECT created_at FROM public.own_records(ARRAY[%(record_id)s::bigint])
