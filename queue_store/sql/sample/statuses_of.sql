-- The statuses of some records, for somebody who waits for them.
SELECT id, status FROM processing_queue WHERE id = ANY(%(ids)s)
