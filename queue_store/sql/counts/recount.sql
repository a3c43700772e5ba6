-- Counts the records in the table, corrects the totals unless `dry_run`, and returns the corrections. A correction
-- means that a plain UPDATE changed a status without counting the change. One statement uses one snapshot, so the
-- deltas that are not folded yet can be subtracted exactly. The next fold adds them.
WITH counted AS MATERIALIZED (
    SELECT flow_name, count(*) AS total, count(*) FILTER (WHERE status = 'completed') AS completed,
        count(*) FILTER (WHERE status = 'failed') AS failed, count(*) FILTER (WHERE status = 'cancelled') AS cancelled
    FROM public.processing_queue GROUP BY flow_name
), unfolded AS MATERIALIZED (
    SELECT flow_name, sum(enqueued - purged) AS total, sum(completed + completed_adjusted) AS completed,
        sum(failed - reset + failed_adjusted) AS failed, sum(cancelled + cancelled_adjusted) AS cancelled
    FROM public.rollup_deltas GROUP BY flow_name
), names AS (
    SELECT flow_name FROM counted UNION SELECT flow_name FROM unfolded UNION SELECT flow_name FROM public.rollup_totals
), correct AS MATERIALIZED (
    SELECT n.flow_name, coalesce(c.total, 0) - coalesce(u.total, 0) AS total,
        coalesce(c.completed, 0) - coalesce(u.completed, 0) AS completed,
        coalesce(c.failed, 0) - coalesce(u.failed, 0) AS failed,
        coalesce(c.cancelled, 0) - coalesce(u.cancelled, 0) AS cancelled
    FROM names n LEFT JOIN counted c USING (flow_name) LEFT JOIN unfolded u USING (flow_name)
), written AS (
    INSERT INTO public.rollup_totals AS t (flow_name, total, completed, failed, cancelled)
    SELECT flow_name, total, completed, failed, cancelled FROM correct WHERE NOT %(dry_run)s ORDER BY flow_name
    ON CONFLICT (flow_name) DO UPDATE SET total = excluded.total, completed = excluded.completed,
        failed = excluded.failed, cancelled = excluded.cancelled
    WHERE (t.total, t.completed, t.failed, t.cancelled)
        <> (excluded.total, excluded.completed, excluded.failed, excluded.cancelled)
), noted AS (
    UPDATE public.rollup_progress SET recounted_at = clock_timestamp() WHERE NOT %(dry_run)s
)
SELECT c.flow_name, c.total - coalesce(t.total, 0) AS total, c.completed - coalesce(t.completed, 0) AS completed,
    c.failed - coalesce(t.failed, 0) AS failed, c.cancelled - coalesce(t.cancelled, 0) AS cancelled
FROM correct c LEFT JOIN public.rollup_totals t USING (flow_name)
WHERE (c.total, c.completed, c.failed, c.cancelled)
    <> (coalesce(t.total, 0), coalesce(t.completed, 0), coalesce(t.failed, 0), coalesce(t.cancelled, 0))
ORDER BY c.flow_name
