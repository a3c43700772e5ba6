-- Purges old rows of the audit log.
SELECT CASE WHEN %(dry_run)s THEN (
        SELECT count(*) FROM (
            SELECT FROM public.audit_log WHERE at < now() - make_interval(secs => %(audit_seconds)s)
            LIMIT %(limit)s::bigint) doomed)
    ELSE public.purge_audit(make_interval(secs => %(audit_seconds)s), %(limit)s::bigint) END
