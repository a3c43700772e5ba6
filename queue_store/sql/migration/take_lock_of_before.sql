-- Code of before migration 0013 takes this advisory lock and no other. Any login can hold it: only the session of a
-- login that could migrate is waited for.
SELECT pg_try_advisory_xact_lock(1903519093) OR NOT EXISTS (
    SELECT FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.classid = 0 AND l.objid = 1903519093 AND l.objsubid = 1 AND l.granted
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND pg_has_role(a.usesysid, (SELECT relowner FROM pg_class WHERE oid = to_regclass('public.schema_version')), 'USAGE'))
