-- Restored records were already counted once, so they pass a stop of ingestion. Live records come back as they were.
SELECT set_config('processing_queue.follow_up', 'on', true), set_config('processing_queue.restoring', 'on', true)
