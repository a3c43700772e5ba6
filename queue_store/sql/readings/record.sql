SELECT * FROM processing_queue WHERE id = %(record_id)s
