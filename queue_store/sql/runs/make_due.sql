-- For tests: makes every record that was to run later due now, retries included.
UPDATE public.processing_queue SET scheduled_at = now() WHERE status = 'pending' AND scheduled_at > now()
