-- Moves the oldest deltas into minutes, hours, hourly counts of errors, and totals. This is one statement, so each
-- delta counts exactly once even if a process dies. Returns how many deltas were moved, and the oldest hour to which
-- counts of errors were added (NULL if there were none).
WITH taken AS MATERIALIZED (
    DELETE FROM public.rollup_deltas
    WHERE id = ANY(ARRAY(
        SELECT id FROM public.rollup_deltas WHERE id > %(folded_through_id)s ORDER BY id LIMIT %(limit)s))
    RETURNING *
), by_minute AS MATERIALIZED (
    SELECT date_trunc('minute', at) AS minute, flow_name,
        sum(enqueued) AS enqueued, sum(claimed) AS claimed, sum(completed) AS completed, sum(failed) AS failed,
        sum(retried) AS retried, sum(snoozed) AS snoozed, sum(released) AS released, sum(rescued) AS rescued,
        sum(crashed) AS crashed, sum(cancelled) AS cancelled, sum(reset) AS reset, sum(refused) AS refused,
        sum(purged) AS purged,
        sum(processing_seconds) AS processing_seconds, public.sum_histograms(processing_histogram) AS processing_histogram,
        sum(wait_seconds) AS wait_seconds, public.sum_histograms(wait_histogram) AS wait_histogram
    FROM taken GROUP BY 1, 2
), minutes AS (
    INSERT INTO public.rollup_minutes AS m (minute, flow_name, enqueued, claimed, completed, failed, retried, snoozed, released,
        rescued, crashed, cancelled, reset, refused, purged,
        processing_seconds, processing_histogram, wait_seconds, wait_histogram)
    SELECT minute, flow_name, enqueued, claimed, completed, failed, retried, snoozed, released,
        rescued, crashed, cancelled, reset, refused, purged,
        processing_seconds, processing_histogram, wait_seconds, wait_histogram
    FROM by_minute ORDER BY minute, flow_name
    ON CONFLICT (minute, flow_name) DO UPDATE SET
        enqueued = m.enqueued + excluded.enqueued, claimed = m.claimed + excluded.claimed,
        completed = m.completed + excluded.completed, failed = m.failed + excluded.failed,
        retried = m.retried + excluded.retried, snoozed = m.snoozed + excluded.snoozed,
        released = m.released + excluded.released, rescued = m.rescued + excluded.rescued,
        crashed = m.crashed + excluded.crashed, cancelled = m.cancelled + excluded.cancelled,
        reset = m.reset + excluded.reset, refused = m.refused + excluded.refused,
        purged = m.purged + excluded.purged,
        processing_seconds = m.processing_seconds + excluded.processing_seconds,
        processing_histogram = public.add_histograms(m.processing_histogram, excluded.processing_histogram),
        wait_seconds = m.wait_seconds + excluded.wait_seconds,
        wait_histogram = public.add_histograms(m.wait_histogram, excluded.wait_histogram)
), hours AS (
    INSERT INTO public.rollup_hours AS m (hour, flow_name, enqueued, claimed, completed, failed, retried, snoozed, released,
        rescued, crashed, cancelled, reset, refused, purged,
        processing_seconds, processing_histogram, wait_seconds, wait_histogram)
    SELECT date_trunc('hour', minute, 'UTC'), flow_name, sum(enqueued), sum(claimed), sum(completed), sum(failed),
        sum(retried), sum(snoozed), sum(released), sum(rescued), sum(crashed), sum(cancelled), sum(reset),
        sum(refused), sum(purged), sum(processing_seconds), public.sum_histograms(processing_histogram),
        sum(wait_seconds), public.sum_histograms(wait_histogram)
    FROM by_minute GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (hour, flow_name) DO UPDATE SET
        enqueued = m.enqueued + excluded.enqueued, claimed = m.claimed + excluded.claimed,
        completed = m.completed + excluded.completed, failed = m.failed + excluded.failed,
        retried = m.retried + excluded.retried, snoozed = m.snoozed + excluded.snoozed,
        released = m.released + excluded.released, rescued = m.rescued + excluded.rescued,
        crashed = m.crashed + excluded.crashed, cancelled = m.cancelled + excluded.cancelled,
        reset = m.reset + excluded.reset, refused = m.refused + excluded.refused,
        purged = m.purged + excluded.purged,
        processing_seconds = m.processing_seconds + excluded.processing_seconds,
        processing_histogram = public.add_histograms(m.processing_histogram, excluded.processing_histogram),
        wait_seconds = m.wait_seconds + excluded.wait_seconds,
        wait_histogram = public.add_histograms(m.wait_histogram, excluded.wait_histogram)
), kinds AS (
    SELECT date_trunc('hour', t.at, 'UTC') AS hour, t.flow_name, e.key AS error_group, min(e.value ->> 3) AS exception_type,
        (array_agg(e.value ->> 4 ORDER BY t.at DESC))[1] AS error_message, sum((e.value ->> 0)::bigint) AS error_count,
        sum((e.value ->> 1)::bigint) AS failed_count, sum((e.value ->> 2)::bigint) AS record_count,
        min(t.at) AS first_at, max(t.at) AS last_at
    FROM taken t CROSS JOIN LATERAL jsonb_each(t.errors) e WHERE t.errors IS NOT NULL
    GROUP BY 1, 2, 3
), errors AS (
    INSERT INTO public.error_hours AS h (hour, flow_name, error_group, exception_type, error_message, error_count,
        failed_count, record_count, first_at, last_at)
    SELECT hour, flow_name, error_group, exception_type, error_message, error_count, failed_count, record_count,
        first_at, last_at
    FROM kinds ORDER BY hour, flow_name, error_group
    ON CONFLICT (hour, flow_name, error_group) DO UPDATE SET
        error_message = excluded.error_message, error_count = h.error_count + excluded.error_count,
        failed_count = h.failed_count + excluded.failed_count, record_count = h.record_count + excluded.record_count,
        first_at = least(h.first_at, excluded.first_at), last_at = greatest(h.last_at, excluded.last_at)
), totals AS (
    INSERT INTO public.rollup_totals AS t (flow_name, total, completed, failed, cancelled)
    SELECT flow_name, sum(enqueued - purged), sum(completed + completed_adjusted),
        sum(failed - reset + failed_adjusted), sum(cancelled + cancelled_adjusted)
    FROM taken GROUP BY flow_name ORDER BY flow_name
    ON CONFLICT (flow_name) DO UPDATE SET total = t.total + excluded.total,
        completed = t.completed + excluded.completed, failed = t.failed + excluded.failed,
        cancelled = t.cancelled + excluded.cancelled
)
SELECT count(*), date_trunc('hour', min(at) FILTER (WHERE errors IS NOT NULL), 'UTC') FROM taken
