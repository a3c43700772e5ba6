-- Restored records are not new, so a stop of ingestion does not refuse them. Unfinished records are restored unchanged.
SELECT set_config('processing_queue.follow_up', 'on', true), set_config('processing_queue.restoring', 'on', true)
