INSERT INTO public.audit_log (at, login, actor, action, target, affected_count, details)
SELECT at, login, actor, action, target, affected_count, details FROM pg_temp.kept_audit ORDER BY at
