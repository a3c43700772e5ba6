-- The next number of every identity column is one that is not taken.
SELECT setval(
    pg_get_serial_sequence('processing_queue', 'id'), coalesce((SELECT max(id) FROM processing_queue), 0) + 1, false)
UNION ALL SELECT setval(
    pg_get_serial_sequence('rollup_deltas', 'id'), coalesce((SELECT max(id) FROM rollup_deltas), 0) + 1, false)
UNION ALL SELECT setval(
    pg_get_serial_sequence('audit_log', 'id'), coalesce((SELECT max(id) FROM audit_log), 0) + 1, false)
UNION ALL SELECT setval(
    pg_get_serial_sequence('processed_surveys', 'id'), coalesce((SELECT max(id) FROM processed_surveys), 0) + 1, false)
UNION ALL SELECT setval(
    pg_get_serial_sequence('alerts', 'id'), coalesce((SELECT max(id) FROM alerts), 0) + 1, false)
UNION ALL SELECT setval(
    pg_get_serial_sequence('alert_notices', 'id'), coalesce((SELECT max(id) FROM alert_notices), 0) + 1, false)
UNION ALL SELECT setval(
    pg_get_serial_sequence('maintenance_runs', 'id'), coalesce((SELECT max(id) FROM maintenance_runs), 0) + 1, false)
UNION ALL SELECT setval(
    pg_get_serial_sequence('connection_checks', 'id'), coalesce((SELECT max(id) FROM connection_checks), 0) + 1, false)
