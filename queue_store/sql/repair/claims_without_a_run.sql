-- rescue: processing → pending, for records whose run has no row, or is over and settled. No attempt is charged.
WITH found AS MATERIALIZED (
    SELECT q.id FROM processing_queue q
    LEFT JOIN flow_execution_logs r ON r.flow_instance_id = q.flow_instance_id
    WHERE q.status = 'processing' AND (r.flow_instance_id IS NULL OR r.settled_at IS NOT NULL)
    ORDER BY q.id
    LIMIT %(limit)s
    FOR NO KEY UPDATE OF q SKIP LOCKED
), written AS (
    UPDATE processing_queue q
    SET status = 'pending', claimed_at = NULL, flow_instance_id = NULL, updated_at = clock_timestamp()
    FROM found WHERE q.id = found.id AND NOT %(dry_run)s
    RETURNING q.flow_name
), counted AS (
    INSERT INTO rollup_deltas (flow_name, rescued) SELECT flow_name, count(*) FROM written GROUP BY flow_name
)
SELECT id FROM found
