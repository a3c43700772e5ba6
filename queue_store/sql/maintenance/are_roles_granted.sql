-- Whether grant_roles was run on this database. The statement looks for rights on the whole table processing_queue.
-- Only the roles worker and admin have such rights. The monitor is also in the list below, but has rights on single
-- columns only, as the producers have.
SELECT EXISTS (
    SELECT FROM pg_class t, aclexplode(t.relacl) AS granted JOIN pg_roles r ON r.oid = granted.grantee
    WHERE t.oid = to_regclass('public.processing_queue') AND r.rolname IN ('processing_queue_worker', 'processing_queue_monitor', 'processing_queue_admin'))
