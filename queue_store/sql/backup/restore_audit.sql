INSERT INTO audit_log (at, actor, action, target, affected_count, details)
SELECT at, actor, action, target, affected_count, details FROM kept_audit ORDER BY at
