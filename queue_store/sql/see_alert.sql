-- A finding is there: opens its alert, or sees it again. A higher level is a change, a lower one only a note.
INSERT INTO alerts AS a (alert_key, code, flow_name, level, message, next_step, figure, threshold)
VALUES (%(alert_key)s, %(code)s, %(flow_name)s, %(level)s, %(message)s, %(next_step)s, %(figure)s, %(threshold)s)
ON CONFLICT (alert_key) WHERE resolved_at IS NULL DO UPDATE
SET message = excluded.message, next_step = excluded.next_step, figure = excluded.figure,
    threshold = excluded.threshold, last_seen_at = clock_timestamp(), seen_count = a.seen_count + 1,
    level_since = CASE WHEN a.level = excluded.level THEN a.level_since ELSE clock_timestamp() END,
    escalation_step = CASE WHEN a.level = excluded.level THEN a.escalation_step ELSE 0 END,
    acknowledged_at = CASE WHEN %(levels_below)s::text[] @> ARRAY[a.level] THEN NULL ELSE a.acknowledged_at END,
    acknowledged_by = CASE WHEN %(levels_below)s::text[] @> ARRAY[a.level] THEN NULL ELSE a.acknowledged_by END,
    level = excluded.level
RETURNING id, seen_count = 1 AS is_new, (
    SELECT before.level FROM alerts before
    WHERE before.alert_key = a.alert_key AND before.resolved_at IS NULL) AS level_before
