-- From here on, every record that this transaction enqueues is marked as sent by message. See the SQL function
-- enqueue_or_explain.
SELECT set_config('processing_queue.by_message', 'on', true)
