-- Keeps the audit rows written since the backup was made, because the backup does not have them.
CREATE TEMPORARY TABLE kept_audit ON COMMIT DROP AS
SELECT at, login, actor, action, target, affected_count, details FROM public.audit_log WHERE at > %(made_at)s::timestamptz
