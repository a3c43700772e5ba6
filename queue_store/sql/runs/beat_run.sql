-- Notes that a run is alive. Returns the ids of the run's records whose handlers were asked to stop, whether the run
-- may still claim, and the flow's batch size. The run may claim if its flow is not paused, and processing is not
-- stopped. Returns no row if the run was declared dead.
UPDATE public.flow_execution_logs r
SET heartbeat_at = clock_timestamp(), batch_count = %(batch_count)s, records_claimed = %(records_claimed)s,
    records_completed = %(records_completed)s, records_retried = %(records_retried)s,
    records_failed = %(records_failed)s, records_snoozed = %(records_snoozed)s, records_released = %(records_released)s,
    records_cancelled = %(records_cancelled)s, records_refused = %(records_refused)s,
    records_held = %(records_held)s
WHERE r.flow_instance_id = %(flow_instance_id)s AND r.state IN ('running', 'stopping')
RETURNING ARRAY(
    SELECT c.record_id FROM public.cancel_requests c JOIN public.processing_queue q ON q.id = c.record_id
    WHERE q.status = 'processing' AND q.flow_instance_id = r.flow_instance_id) AS cancelled_ids,
    EXISTS (
        SELECT FROM public.flows f CROSS JOIN public.queue_control c
        WHERE f.flow_name = r.flow_name AND f.paused_at IS NULL AND c.processing_stopped_at IS NULL) AS flow_is_open,
    (SELECT coalesce(f.batch_size_override, f.batch_size) FROM public.flows f WHERE f.flow_name = r.flow_name) AS batch_size
