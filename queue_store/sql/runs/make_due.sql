-- For tests: makes every pending record due now, including records that wait for a retry.
UPDATE public.processing_queue SET scheduled_at = now() WHERE status = 'pending' AND scheduled_at > now()
