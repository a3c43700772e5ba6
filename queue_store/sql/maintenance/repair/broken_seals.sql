SELECT seal_audit_anew(actor, %(found)s) FROM maintenance_runs WHERE id = %(id)s
