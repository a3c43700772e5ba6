-- For tests: what was to run later, a retry included, is due now.
UPDATE public.processing_queue SET scheduled_at = now() WHERE status = 'pending' AND scheduled_at > now()
