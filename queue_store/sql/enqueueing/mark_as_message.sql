-- This holds until the end of the transaction. See enqueue_or_explain.
SELECT set_config('processing_queue.by_message', 'on', true)
