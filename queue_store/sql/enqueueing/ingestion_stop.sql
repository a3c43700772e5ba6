-- Returns the message with which the trigger `account_for_insert` refuses a new record of the flow. Returns no row if
-- ingestion is not stopped.
SELECT 'ingestion is stopped for ' || s.what || ': ' || coalesce(s.reason, 'no reason given')
FROM (
    SELECT 'all flows' AS what, c.ingestion_stop_reason AS reason
    FROM public.queue_control c WHERE c.ingestion_stopped_at IS NOT NULL
    UNION ALL
    SELECT 'flow ' || f.flow_name, f.ingestion_stop_reason
    FROM public.flows f WHERE f.flow_name = %(flow_name)s AND f.ingestion_stopped_at IS NOT NULL
) s
LIMIT 1
