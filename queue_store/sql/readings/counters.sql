-- All counts by flow, from `from_hour` up to `before_hour`. If `before_hour` is NULL, the counts reach up to this
-- moment, with the deltas that are not folded yet.
WITH happened AS (
    SELECT h.flow_name, enqueued, claimed, completed, failed, retried, snoozed, released, rescued, crashed, cancelled,
        reset, refused, purged, processing_seconds, processing_histogram, wait_seconds, wait_histogram
    FROM public.rollup_hours h
    WHERE h.hour >= %(from_hour)s AND (%(before_hour)s::timestamptz IS NULL OR h.hour < %(before_hour)s)
    UNION ALL
    SELECT d.flow_name, enqueued, claimed, completed, failed, retried, snoozed, released, rescued, crashed, cancelled,
        reset, refused, purged, processing_seconds, processing_histogram, wait_seconds, wait_histogram
    FROM public.rollup_deltas d
    WHERE %(before_hour)s::timestamptz IS NULL AND d.id > (SELECT folded_through_id FROM public.rollup_progress)
        AND d.at >= %(from_hour)s
)
SELECT flow_name, sum(enqueued)::bigint AS enqueued, sum(claimed)::bigint AS claimed,
    sum(completed)::bigint AS completed, sum(failed)::bigint AS failed, sum(retried)::bigint AS retried,
    sum(snoozed)::bigint AS snoozed, sum(released)::bigint AS released, sum(rescued)::bigint AS rescued,
    sum(crashed)::bigint AS crashed, sum(cancelled)::bigint AS cancelled, sum(reset)::bigint AS reset,
    sum(refused)::bigint AS refused, sum(purged)::bigint AS purged,
    sum(processing_seconds) AS processing_seconds, sum(wait_seconds) AS wait_seconds,
    public.sum_histograms(processing_histogram) AS processing_histogram, public.sum_histograms(wait_histogram) AS wait_histogram
FROM happened
GROUP BY flow_name
