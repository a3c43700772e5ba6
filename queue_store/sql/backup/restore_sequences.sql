-- Sets each identity column's sequence so that its next number is free. If the table has rows, the largest id is stored
-- as a used number. For an unused number, `pg_sequence_last_value` would return NULL, and the check `sequence_behind`
-- would report a problem.
SELECT setval(
    pg_get_serial_sequence('public.processing_queue', 'id'), coalesce(max(id), 1), max(id) IS NOT NULL) FROM public.processing_queue
UNION ALL SELECT setval( -- above the folded deltas: a delta with a lower id would never be folded
    pg_get_serial_sequence('public.rollup_deltas', 'id'), greatest(max(d.id), p.folded_through_id, p.candidate_id, 1))
FROM public.rollup_progress p LEFT JOIN public.rollup_deltas d ON true GROUP BY p.folded_through_id, p.candidate_id
UNION ALL SELECT setval(
    pg_get_serial_sequence('public.audit_log', 'id'), coalesce(max(id), 1), max(id) IS NOT NULL) FROM public.audit_log
UNION ALL SELECT setval(
    pg_get_serial_sequence('public.processed_surveys', 'id'), coalesce(max(id), 1), max(id) IS NOT NULL) FROM public.processed_surveys
UNION ALL SELECT setval(
    pg_get_serial_sequence('public.alerts', 'id'), coalesce(max(id), 1), max(id) IS NOT NULL) FROM public.alerts
UNION ALL SELECT setval(
    pg_get_serial_sequence('public.alert_notices', 'id'), coalesce(max(id), 1), max(id) IS NOT NULL) FROM public.alert_notices
UNION ALL SELECT setval(
    pg_get_serial_sequence('public.maintenance_runs', 'id'), coalesce(max(id), 1), max(id) IS NOT NULL) FROM public.maintenance_runs
UNION ALL SELECT setval(
    pg_get_serial_sequence('public.connection_checks', 'id'), coalesce(max(id), 1), max(id) IS NOT NULL) FROM public.connection_checks
