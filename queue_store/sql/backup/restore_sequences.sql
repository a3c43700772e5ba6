-- Raises the sequence of each identity column above the restored ids. A sequence is never lowered, for two reasons. If
-- the restore is rolled back, the sequence keeps its new value, but the old rows are there again. After the restore,
-- the id of a lost record must not be given to a new record. The sequence of a table without rows stays unused: then
-- `pg_sequence_last_value` is NULL.
WITH restored(table_name, largest_id) AS (
    SELECT 'public.processing_queue', max(id) FROM public.processing_queue
    UNION ALL SELECT 'public.rollup_deltas', greatest( -- a delta at or below the mark would never be folded
        (SELECT max(id) FROM public.rollup_deltas), p.folded_through_id, p.candidate_id) FROM public.rollup_progress p
    UNION ALL SELECT 'public.audit_log', max(id) FROM public.audit_log
    UNION ALL SELECT 'public.processed_surveys', max(id) FROM public.processed_surveys
    UNION ALL SELECT 'public.alerts', max(id) FROM public.alerts
    UNION ALL SELECT 'public.alert_notices', max(id) FROM public.alert_notices
    UNION ALL SELECT 'public.maintenance_runs', max(id) FROM public.maintenance_runs
    UNION ALL SELECT 'public.connection_checks', max(id) FROM public.connection_checks
), named AS MATERIALIZED (
    SELECT pg_get_serial_sequence(table_name, 'id')::regclass AS sequence, largest_id FROM restored
)
SELECT setval(sequence, largest_id) FROM named WHERE largest_id > coalesce(pg_sequence_last_value(sequence), 0)
