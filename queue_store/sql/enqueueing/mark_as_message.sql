-- Marks the records that this transaction enqueues from here on as sent by message. See enqueue_or_explain.
SELECT set_config('processing_queue.by_message', 'on', true)
