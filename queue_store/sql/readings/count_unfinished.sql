-- How many records have the given status (pending, processing or failed), counted up to the limit.
SELECT count(*) FROM (
    SELECT FROM public.processing_queue
    WHERE (status = 'failed' AND %(status)s = 'failed' OR status = 'processing' AND %(status)s = 'processing'
        OR status = 'pending' AND %(status)s = 'pending')
        AND (%(flow_name)s::text IS NULL OR flow_name = %(flow_name)s)
    LIMIT %(limit)s) counted
