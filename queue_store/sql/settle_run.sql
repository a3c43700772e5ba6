UPDATE flow_execution_logs r
SET settled_at = clock_timestamp()
WHERE r.flow_instance_id = %(flow_instance_id)s AND r.state IN ('ended', 'dead') AND NOT EXISTS (
    SELECT FROM processing_queue q WHERE q.status = 'processing' AND q.flow_instance_id = r.flow_instance_id)
RETURNING flow_instance_id
