-- Repairs hours whose counts are not the sums of the counts of their minutes. Counts are more often too low than too
-- high, so the greater count is kept: the hour's count or the sum of its minutes' counts. If the minutes add up to less
-- than the hour, the difference is added to the counts of the first minute. The histograms of that minute do not
-- change. If the hour has no row, its new row gets a histogram, added up from its minutes.
WITH kept AS MATERIALIZED (
    SELECT date_trunc('hour', least((SELECT min(minute) FROM public.rollup_minutes), now() - interval '1 day')
        + interval '1 hour', 'UTC') AS since
), by_minute AS MATERIALIZED (
    SELECT date_trunc('hour', minute, 'UTC') AS hour, flow_name,
        sum(enqueued)::bigint AS enqueued, sum(claimed)::bigint AS claimed, sum(completed)::bigint AS completed, sum(failed)::bigint AS failed, sum(retried)::bigint AS retried,
        sum(snoozed)::bigint AS snoozed, sum(released)::bigint AS released, sum(rescued)::bigint AS rescued, sum(crashed)::bigint AS crashed,
        sum(cancelled)::bigint AS cancelled, sum(reset)::bigint AS reset, sum(refused)::bigint AS refused, sum(purged)::bigint AS purged,
        sum(processing_seconds) AS processing_seconds, public.sum_histograms(processing_histogram) AS processing_histogram,
        sum(wait_seconds) AS wait_seconds, public.sum_histograms(wait_histogram) AS wait_histogram
    FROM public.rollup_minutes WHERE minute >= (SELECT since FROM kept) GROUP BY 1, 2
), found AS MATERIALIZED (
    SELECT coalesce(m.hour, h.hour) AS hour, coalesce(m.flow_name, h.flow_name) AS flow_name,
        to_jsonb(m) AS of_minutes, to_jsonb(h) AS of_hour, h.hour IS NULL AS is_hour_lost,
        m.processing_seconds, m.processing_histogram, m.wait_seconds, m.wait_histogram
    FROM by_minute m
    FULL JOIN (SELECT * FROM public.rollup_hours WHERE hour >= (SELECT since FROM kept)) h
        ON h.hour = m.hour AND h.flow_name = m.flow_name
    WHERE coalesce(m.enqueued + m.claimed + m.completed + m.failed + m.retried + m.snoozed + m.released
            + m.rescued + m.crashed + m.cancelled + m.reset + m.refused + m.purged, 0)
        <> coalesce(h.enqueued + h.claimed + h.completed + h.failed + h.retried + h.snoozed + h.released
            + h.rescued + h.crashed + h.cancelled + h.reset + h.refused + h.purged, 0)
        AND coalesce(m.hour, h.hour) = date_trunc('hour', coalesce(m.hour, h.hour), 'UTC')
        AND NOT EXISTS (
            SELECT FROM public.rollup_hours o
            WHERE o.flow_name = coalesce(m.flow_name, h.flow_name) AND o.hour <> date_trunc('hour', o.hour, 'UTC')
                AND o.hour > coalesce(m.hour, h.hour) - interval '1 hour'
                AND o.hour < coalesce(m.hour, h.hour) + interval '1 hour')
    ORDER BY 1, 2
    LIMIT %(limit)s
), right_ones AS MATERIALIZED (
    SELECT f.hour, f.flow_name, name, greatest((f.of_minutes->>name)::bigint, (f.of_hour->>name)::bigint, 0) AS correct,
        coalesce((f.of_minutes->>name)::bigint, 0) AS in_minutes
    FROM found f CROSS JOIN unnest(ARRAY['enqueued', 'claimed', 'completed', 'failed', 'retried', 'snoozed', 'released',
        'rescued', 'crashed', 'cancelled', 'reset', 'refused', 'purged']) AS name
), correct AS MATERIALIZED (
    SELECT hour, flow_name,
        sum(correct) FILTER (WHERE name = 'enqueued')::bigint AS enqueued,
        sum(correct) FILTER (WHERE name = 'claimed')::bigint AS claimed,
        sum(correct) FILTER (WHERE name = 'completed')::bigint AS completed,
        sum(correct) FILTER (WHERE name = 'failed')::bigint AS failed,
        sum(correct) FILTER (WHERE name = 'retried')::bigint AS retried,
        sum(correct) FILTER (WHERE name = 'snoozed')::bigint AS snoozed,
        sum(correct) FILTER (WHERE name = 'released')::bigint AS released,
        sum(correct) FILTER (WHERE name = 'rescued')::bigint AS rescued,
        sum(correct) FILTER (WHERE name = 'crashed')::bigint AS crashed,
        sum(correct) FILTER (WHERE name = 'cancelled')::bigint AS cancelled,
        sum(correct) FILTER (WHERE name = 'reset')::bigint AS reset,
        sum(correct) FILTER (WHERE name = 'refused')::bigint AS refused,
        sum(correct) FILTER (WHERE name = 'purged')::bigint AS purged
    FROM right_ones GROUP BY hour, flow_name
), lacking AS MATERIALIZED (
    SELECT hour, flow_name,
        sum(correct - in_minutes) FILTER (WHERE name = 'enqueued')::bigint AS enqueued,
        sum(correct - in_minutes) FILTER (WHERE name = 'claimed')::bigint AS claimed,
        sum(correct - in_minutes) FILTER (WHERE name = 'completed')::bigint AS completed,
        sum(correct - in_minutes) FILTER (WHERE name = 'failed')::bigint AS failed,
        sum(correct - in_minutes) FILTER (WHERE name = 'retried')::bigint AS retried,
        sum(correct - in_minutes) FILTER (WHERE name = 'snoozed')::bigint AS snoozed,
        sum(correct - in_minutes) FILTER (WHERE name = 'released')::bigint AS released,
        sum(correct - in_minutes) FILTER (WHERE name = 'rescued')::bigint AS rescued,
        sum(correct - in_minutes) FILTER (WHERE name = 'crashed')::bigint AS crashed,
        sum(correct - in_minutes) FILTER (WHERE name = 'cancelled')::bigint AS cancelled,
        sum(correct - in_minutes) FILTER (WHERE name = 'reset')::bigint AS reset,
        sum(correct - in_minutes) FILTER (WHERE name = 'refused')::bigint AS refused,
        sum(correct - in_minutes) FILTER (WHERE name = 'purged')::bigint AS purged
    FROM right_ones GROUP BY hour, flow_name HAVING sum(correct - in_minutes) > 0
), hours AS (
    INSERT INTO public.rollup_hours AS t (hour, flow_name, enqueued, claimed, completed, failed, retried, snoozed, released, rescued, crashed, cancelled, reset, refused, purged,
        processing_seconds, processing_histogram, wait_seconds, wait_histogram)
    SELECT c.hour, c.flow_name, c.enqueued, c.claimed, c.completed, c.failed, c.retried, c.snoozed, c.released, c.rescued, c.crashed, c.cancelled, c.reset, c.refused, c.purged,
        coalesce(f.processing_seconds, 0), coalesce(f.processing_histogram, '{}'), coalesce(f.wait_seconds, 0),
        coalesce(f.wait_histogram, '{}')
    FROM correct c JOIN found f USING (hour, flow_name) WHERE NOT %(dry_run)s
    ON CONFLICT (hour, flow_name) DO UPDATE SET
        enqueued = excluded.enqueued,
        claimed = excluded.claimed,
        completed = excluded.completed,
        failed = excluded.failed,
        retried = excluded.retried,
        snoozed = excluded.snoozed,
        released = excluded.released,
        rescued = excluded.rescued,
        crashed = excluded.crashed,
        cancelled = excluded.cancelled,
        reset = excluded.reset,
        refused = excluded.refused,
        purged = excluded.purged
), minutes AS (
    INSERT INTO public.rollup_minutes AS t (minute, flow_name, enqueued, claimed, completed, failed, retried, snoozed, released, rescued, crashed, cancelled, reset, refused, purged,
        processing_seconds, processing_histogram, wait_seconds, wait_histogram)
    SELECT hour, flow_name, enqueued, claimed, completed, failed, retried, snoozed, released, rescued, crashed, cancelled, reset, refused, purged, 0, '{}', 0, '{}'
    FROM lacking WHERE NOT %(dry_run)s
    ON CONFLICT (minute, flow_name) DO UPDATE SET
        enqueued = t.enqueued + excluded.enqueued,
        claimed = t.claimed + excluded.claimed,
        completed = t.completed + excluded.completed,
        failed = t.failed + excluded.failed,
        retried = t.retried + excluded.retried,
        snoozed = t.snoozed + excluded.snoozed,
        released = t.released + excluded.released,
        rescued = t.rescued + excluded.rescued,
        crashed = t.crashed + excluded.crashed,
        cancelled = t.cancelled + excluded.cancelled,
        reset = t.reset + excluded.reset,
        refused = t.refused + excluded.refused,
        purged = t.purged + excluded.purged
)
SELECT flow_name FROM found
