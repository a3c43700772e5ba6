-- The owner ends its run. Afterwards, settle_run.sql checks whether records of the run are still `processing`. If this
-- statement has waited for a claim, its snapshot does not show the records of that claim. `is_alone`: the transaction
-- writes nothing else, so its COMMIT does not wait for the disk. If a crash of the server undoes the COMMIT, rescue
-- declares the run dead after the lease.
UPDATE public.flow_execution_logs
SET state = 'ended', finished_at = clock_timestamp(), heartbeat_at = clock_timestamp(), error_message = %(error_message)s,
    leaves_unfinished = %(leaves_unfinished)s,
    batch_count = %(batch_count)s, records_claimed = %(records_claimed)s, records_completed = %(records_completed)s,
    records_retried = %(records_retried)s, records_failed = %(records_failed)s, records_snoozed = %(records_snoozed)s,
    records_released = %(records_released)s, records_cancelled = %(records_cancelled)s, records_refused = %(records_refused)s
WHERE flow_instance_id = %(flow_instance_id)s AND state IN ('running', 'stopping')
RETURNING pg_advisory_xact_lock_shared(%(session_lock)s),
    CASE WHEN %(is_alone)s THEN set_config('synchronous_commit', 'off', true) END
