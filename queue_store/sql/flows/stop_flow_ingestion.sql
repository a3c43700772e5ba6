-- From now on every new record of the flow is refused, except recurring records, restored records, and the records
-- that runs enqueue.
UPDATE public.flows SET ingestion_stopped_at = clock_timestamp(), ingestion_stop_reason = %(reason)s
WHERE flow_name = %(flow_name)s AND ingestion_stopped_at IS NULL
RETURNING flow_name
