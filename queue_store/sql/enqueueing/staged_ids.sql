SELECT id FROM pg_temp.processing_queue_staging ORDER BY position
