-- Whether `migrate` has nothing to do: the schema has the newest version, and the comment of `schema_version` is the
-- one that this code writes. The answer is false if our roles have rights on the table of records, because `migrate`
-- must then grant all rights of our roles again.
SELECT version_num = %(version)s AND obj_description('public.schema_version'::regclass, 'pg_class') = %(mark)s AND NOT EXISTS (
    SELECT FROM pg_class t, aclexplode(t.relacl) AS granted JOIN pg_roles r ON r.oid = granted.grantee
    WHERE t.oid = to_regclass('public.processing_queue') AND r.rolname IN ('processing_queue_worker', 'processing_queue_monitor', 'processing_queue_admin'))
FROM public.schema_version
