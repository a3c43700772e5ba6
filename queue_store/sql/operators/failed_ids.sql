-- The failed records that a reset should change. A filter that is NULL matches all records.
SELECT q.id FROM public.processing_queue q
WHERE q.status = 'failed'
    AND (%(flow_name)s::text IS NULL OR q.flow_name = %(flow_name)s)
    AND (%(error)s::text IS NULL OR position(lower(%(error)s) IN lower(q.error_message)) > 0)
    AND (%(retry_count_below)s::integer IS NULL OR q.retry_count < %(retry_count_below)s)
    AND (%(crash_strikes_below)s::integer IS NULL OR q.crash_strikes < %(crash_strikes_below)s)
ORDER BY q.id
LIMIT %(limit)s
