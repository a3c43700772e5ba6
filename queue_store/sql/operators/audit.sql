INSERT INTO public.audit_log (actor, action, target, affected_count, details)
VALUES (%(actor)s, %(action)s, %(target)s, %(affected_count)s, %(details)s)
