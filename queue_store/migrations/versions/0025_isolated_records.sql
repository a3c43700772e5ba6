CREATE INDEX CONCURRENTLY processing_queue_isolated ON public.processing_queue (flow_name, batch_limit, id)
    WHERE batch_limit IS NOT NULL AND status IN ('pending', 'processing')
