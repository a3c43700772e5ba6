SELECT id, at, actor, action, target, affected_count, details FROM public.audit_log
WHERE id < %(before_id)s
ORDER BY id DESC
LIMIT %(limit)s
