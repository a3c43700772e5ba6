SELECT progress, updated_at, claim_number FROM public.record_progress WHERE record_id = %(record_id)s
