-- What operators did since the backup was made; it is not in the backup.
CREATE TEMPORARY TABLE kept_audit ON COMMIT DROP AS
SELECT at, login, actor, action, target, affected_count, details FROM public.audit_log WHERE at > %(made_at)s::timestamptz
