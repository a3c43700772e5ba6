SELECT nextval('public.processing_queue_id_seq') FROM generate_series(1, %(id_count)s)
