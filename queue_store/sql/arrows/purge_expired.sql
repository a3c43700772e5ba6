-- purge: finished → gone, in one page of ids. Completed and cancelled by age; failed by age and failed attempts, so
-- that what failed for good early stays; with a third age, if set, whatever its attempts. Returns the page's last id
-- (NULL at the end) and what is purged of it; a dry run finds the same and deletes nothing.
WITH page AS MATERIALIZED (
    SELECT id, status, completed_at, updated_at, retry_count FROM public.processing_queue
    WHERE id > %(after_id)s ORDER BY id LIMIT %(limit)s
), doomed AS MATERIALIZED (
    SELECT q.id, q.status FROM public.processing_queue q JOIN page USING (id)
    -- A row that changed since the page was read is checked again; the page as a whole is not.
    WHERE q.updated_at = page.updated_at AND q.status = page.status AND (
        page.status = 'completed' AND page.completed_at < now() - make_interval(secs => %(completed_seconds)s)
        OR page.status = 'cancelled' AND page.updated_at < now() - make_interval(secs => %(cancelled_seconds)s)
        OR page.status = 'failed' AND (
            page.updated_at < now() - make_interval(secs => %(failed_seconds)s)
                AND page.retry_count >= %(failed_minimum_retries)s
            OR %(any_failed_seconds)s > 0
                AND page.updated_at < now() - make_interval(secs => %(any_failed_seconds)s)))
    ORDER BY q.id
    FOR UPDATE OF q SKIP LOCKED
), deleted AS (
    DELETE FROM public.processing_queue q USING doomed
    WHERE q.id = doomed.id AND q.status = doomed.status AND NOT %(dry_run)s
)
SELECT (SELECT max(id) FROM page), count(*) FILTER (WHERE status = 'completed'),
    count(*) FILTER (WHERE status = 'failed'), count(*) FILTER (WHERE status = 'cancelled')
FROM doomed
