-- What happened in a flow since the instant given, in whole minutes: minutes up to the first full hour, hours from
-- there on, and what is not folded yet.
WITH span AS MATERIALIZED (
    SELECT date_trunc('minute', now() - make_interval(secs => %(seconds)s)) AS since,
        date_trunc('hour', now() - make_interval(secs => %(seconds)s)) + interval '1 hour' AS first_hour
), happened AS (
    SELECT m.flow_name, enqueued, claimed, completed, failed, retried, snoozed, released, rescued, crashed, cancelled,
        refused, purged, processing_seconds, processing_histogram, wait_seconds, wait_histogram
    FROM rollup_minutes m, span WHERE m.minute >= span.since AND m.minute < span.first_hour
    UNION ALL
    SELECT h.flow_name, enqueued, claimed, completed, failed, retried, snoozed, released, rescued, crashed, cancelled,
        refused, purged, processing_seconds, processing_histogram, wait_seconds, wait_histogram
    FROM rollup_hours h, span WHERE h.hour >= span.first_hour
    UNION ALL
    SELECT d.flow_name, enqueued, claimed, completed, failed, retried, snoozed, released, rescued, crashed, cancelled,
        refused, purged, processing_seconds, processing_histogram, wait_seconds, wait_histogram
    FROM rollup_deltas d, span
    WHERE d.id > (SELECT folded_through_id FROM rollup_progress) AND d.at >= span.since
), bars AS (
    SELECT flow_name, bar.number, coalesce(sum(bar.processing), 0)::bigint AS processing,
        coalesce(sum(bar.wait), 0)::bigint AS wait
    FROM happened, unnest(processing_histogram, wait_histogram) WITH ORDINALITY AS bar(processing, wait, number)
    GROUP BY flow_name, bar.number
), histograms AS (
    SELECT flow_name, array_agg(processing ORDER BY number) AS processing, array_agg(wait ORDER BY number) AS wait
    FROM bars GROUP BY flow_name
)
SELECT h.flow_name, sum(enqueued)::bigint, sum(claimed)::bigint, sum(completed)::bigint, sum(failed)::bigint,
    sum(retried)::bigint, sum(snoozed)::bigint, sum(released)::bigint, sum(rescued)::bigint, sum(crashed)::bigint,
    sum(cancelled)::bigint, sum(refused)::bigint, sum(purged)::bigint,
    sum(processing_seconds), coalesce((SELECT processing FROM histograms t WHERE t.flow_name = h.flow_name), '{}'),
    sum(wait_seconds), coalesce((SELECT wait FROM histograms t WHERE t.flow_name = h.flow_name), '{}')
FROM happened h
GROUP BY h.flow_name
ORDER BY h.flow_name
