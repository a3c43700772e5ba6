-- The next number of every identity column is one that is not taken. The last one counts as given out, because a
-- sequence that has given out nothing tells nothing.
SELECT setval(
    pg_get_serial_sequence('processing_queue', 'id'), coalesce(max(id), 1), max(id) IS NOT NULL) FROM processing_queue
UNION ALL SELECT setval( -- beyond what is folded, or no delta would ever be folded again
    pg_get_serial_sequence('rollup_deltas', 'id'), greatest(max(d.id), p.folded_through_id, p.candidate_id, 1))
FROM rollup_progress p LEFT JOIN rollup_deltas d ON true GROUP BY p.folded_through_id, p.candidate_id
UNION ALL SELECT setval(
    pg_get_serial_sequence('audit_log', 'id'), coalesce(max(id), 1), max(id) IS NOT NULL) FROM audit_log
UNION ALL SELECT setval(
    pg_get_serial_sequence('processed_surveys', 'id'), coalesce(max(id), 1), max(id) IS NOT NULL) FROM processed_surveys
UNION ALL SELECT setval(
    pg_get_serial_sequence('alerts', 'id'), coalesce(max(id), 1), max(id) IS NOT NULL) FROM alerts
UNION ALL SELECT setval(
    pg_get_serial_sequence('alert_notices', 'id'), coalesce(max(id), 1), max(id) IS NOT NULL) FROM alert_notices
UNION ALL SELECT setval(
    pg_get_serial_sequence('maintenance_runs', 'id'), coalesce(max(id), 1), max(id) IS NOT NULL) FROM maintenance_runs
UNION ALL SELECT setval(
    pg_get_serial_sequence('connection_checks', 'id'), coalesce(max(id), 1), max(id) IS NOT NULL) FROM connection_checks
