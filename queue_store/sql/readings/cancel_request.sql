SELECT requested_at, requested_by, reason FROM public.cancel_requests WHERE record_id = %(record_id)s
