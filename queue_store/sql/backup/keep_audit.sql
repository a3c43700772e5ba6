-- Keeps the present audit rows until those of the backup are restored.
CREATE TEMPORARY TABLE kept_audit ON COMMIT DROP AS
SELECT id, at, login, actor, action, target, affected_count, details FROM public.audit_log
