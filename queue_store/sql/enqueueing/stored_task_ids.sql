-- Those of these task ids that producers chose for stored records.
SELECT q.task_id FROM public.processing_queue q WHERE q.task_id = ANY(%(task_ids)s::text[])
