INSERT INTO audit_log (at, login, actor, action, target, affected_count, details)
SELECT at, login, actor, action, target, affected_count, details FROM kept_audit ORDER BY at
