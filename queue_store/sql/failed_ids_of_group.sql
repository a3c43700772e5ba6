-- The failed records whose last attempt ended with this kind of error.
SELECT q.id FROM record_attempts a
JOIN processing_queue q ON q.id = a.record_id AND q.claim_number = a.claim_number AND q.status = 'failed'
WHERE a.error_group = %(error_group)s AND a.flow_name = ANY(ARRAY(SELECT flow_name FROM flows))
ORDER BY q.id
LIMIT %(limit)s
