-- Ends the execution of an occurrence. Without an error, the new state is `finished`. After an error, the new state is
-- `due`, or `failed` if no try is left. If the occurrence must wait because the same maintenance is already running,
-- this execution does not count as a try.
UPDATE public.schedule_occurrences
SET state = CASE WHEN %(error_message)s::text IS NULL THEN 'finished'
        WHEN %(excused)s OR take_number - excused_count < %(tries)s THEN 'due' ELSE 'failed' END,
    error_message = %(error_message)s, excused_count = excused_count + %(excused)s::boolean::integer,
    hinted_at = CASE WHEN %(error_message)s::text IS NULL THEN hinted_at ELSE clock_timestamp() END,
    finished_at = CASE WHEN %(error_message)s::text IS NULL
        OR NOT %(excused)s AND take_number - excused_count >= %(tries)s THEN clock_timestamp() END
WHERE entry = %(entry)s AND due_at = %(due_at)s AND state = 'running' AND take_number = %(take_number)s
RETURNING state
