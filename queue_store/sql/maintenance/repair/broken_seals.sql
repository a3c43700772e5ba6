SELECT public.seal_audit_anew(actor, %(found)s) FROM public.maintenance_runs WHERE id = %(id)s
