UPDATE public.flows SET ingestion_stopped_at = NULL, ingestion_stop_reason = NULL
WHERE flow_name = %(flow_name)s AND ingestion_stopped_at IS NOT NULL
RETURNING flow_name
