-- Restored records are accepted even while ingestion is stopped. Unfinished records are restored unchanged.
SELECT set_config('processing_queue.follow_up', 'on', true), set_config('processing_queue.restoring', 'on', true)
