SELECT q.*, pg_column_size(q.payload) AS payload_bytes FROM public.processing_queue q WHERE q.id = %(record_id)s
