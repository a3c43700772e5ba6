-- Opens the alert of a finding, or updates the alert if it is open. An update sends notifications only if the level
-- rises. But a rise sends no notifications if notifications at the same or a higher level were stored less than
-- `same_rise_seconds` ago. Then the alert keeps its acknowledgement, and its new level counts from the time of those
-- earlier notifications. An alert that a newer judgement has seen or resolved is not changed.
-- A time that is more than a minute in the future was stored before the database's clock stepped back. Such a time
-- comes from no newer judgement, and it delays no escalation.
INSERT INTO public.alerts AS a (alert_key, code, flow_name, level, raised_level, message, next_step, figure, threshold)
SELECT %(alert_key)s, %(code)s, %(flow_name)s, %(level)s, %(level)s, %(message)s, %(next_step)s, %(figure)s::float8,
    %(threshold)s::float8
WHERE NOT EXISTS (
    SELECT FROM public.alerts later WHERE later.alert_key = %(alert_key)s AND later.resolved_at > %(judged_at)s::timestamptz
        AND later.resolved_at <= clock_timestamp() + interval '1 minute')
ON CONFLICT (alert_key) WHERE resolved_at IS NULL DO UPDATE
SET (level_since, raised_at, raised_level, rise_count, acknowledged_at, acknowledged_by) = (
        SELECT CASE WHEN a.level = excluded.level THEN least(a.level_since, clock_timestamp())
                WHEN change.is_rise AND NOT change.is_notified THEN least(a.raised_at, clock_timestamp())
                ELSE clock_timestamp() END,
            CASE WHEN change.is_notified THEN clock_timestamp() ELSE least(a.raised_at, clock_timestamp()) END,
            CASE WHEN change.is_notified THEN excluded.level ELSE a.raised_level END,
            a.rise_count + change.is_notified::integer,
            CASE WHEN change.is_notified THEN NULL ELSE a.acknowledged_at END,
            CASE WHEN change.is_notified THEN NULL ELSE a.acknowledged_by END
        FROM (SELECT %(levels_below)s::text[] @> ARRAY[a.level] AS is_rise,
            %(levels_below)s::text[] @> ARRAY[a.level] AND (%(levels_below)s::text[] @> ARRAY[a.raised_level]
                OR a.raised_at < now() - make_interval(secs => %(same_rise_seconds)s)) AS is_notified) change),
    message = excluded.message, next_step = excluded.next_step, figure = excluded.figure,
    threshold = excluded.threshold, last_seen_at = clock_timestamp(), seen_count = a.seen_count + 1,
    escalation_step = CASE WHEN a.level = excluded.level THEN a.escalation_step ELSE 0 END,
    level = excluded.level
WHERE %(judged_at)s::timestamptz IS NULL OR a.last_seen_at <= %(judged_at)s::timestamptz
    OR a.last_seen_at > clock_timestamp() + interval '1 minute'
RETURNING id, seen_count = 1 AS is_new, rise_count, rise_count <> (
    SELECT before.rise_count FROM public.alerts before
    WHERE before.alert_key = a.alert_key AND before.resolved_at IS NULL) AS is_raised
