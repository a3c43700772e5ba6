SELECT to_regclass('public.processing_queue') IS NOT NULL
