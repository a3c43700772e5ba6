-- What is restored was counted before: it passes a stop of ingestion.
SELECT set_config('processing_queue.follow_up', 'on', true)
