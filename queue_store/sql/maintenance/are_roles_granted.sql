-- Whether grant_roles was run on this database. Only the three roles with rights on the whole table are checked,
-- because producers have rights on single columns only.
SELECT EXISTS (
    SELECT FROM pg_class t, aclexplode(t.relacl) AS granted JOIN pg_roles r ON r.oid = granted.grantee
    WHERE t.oid = to_regclass('public.processing_queue') AND r.rolname IN ('processing_queue_worker', 'processing_queue_monitor', 'processing_queue_admin'))
