-- Recomputes the overall counts of each minute in which they differ from the sum of the flows' counts.
WITH wrong AS MATERIALIZED (
    SELECT minute, m.minute IS NULL AS is_of_no_flow
    FROM (
        SELECT minute, sum(enqueued + completed + failed + retried + cancelled) AS counted
        FROM public.rollup_minutes GROUP BY minute) m
    FULL JOIN (
        SELECT minute, enqueued + completed + failed + retried + cancelled AS counted FROM public.rollup_overall) o
        USING (minute)
    WHERE coalesce(m.counted, 0) <> coalesce(o.counted, 0)
    ORDER BY minute
    LIMIT %(limit)s
), removed AS (
    DELETE FROM public.rollup_overall
    WHERE minute IN (SELECT minute FROM wrong WHERE is_of_no_flow) AND NOT %(dry_run)s
), corrected AS (
    INSERT INTO public.rollup_overall
    SELECT minute, sum(enqueued), sum(completed), sum(failed), sum(retried), sum(cancelled),
        public.sum_histograms(processing_histogram), public.sum_histograms(wait_histogram)
    FROM public.rollup_minutes
    WHERE minute IN (SELECT minute FROM wrong WHERE NOT is_of_no_flow) AND NOT %(dry_run)s
    GROUP BY minute
    ON CONFLICT (minute) DO UPDATE SET enqueued = excluded.enqueued, completed = excluded.completed,
        failed = excluded.failed, retried = excluded.retried, cancelled = excluded.cancelled,
        processing_histogram = excluded.processing_histogram, wait_histogram = excluded.wait_histogram
)
SELECT minute FROM wrong
