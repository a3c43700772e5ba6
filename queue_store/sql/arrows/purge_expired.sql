-- purge: deletes finished records, in one page of ids. Completed and cancelled records are purged by age. Failed
-- records are purged by age and number of failed attempts: a record that failed after few attempts stays.
-- `any_failed_seconds`, if set, is an age at which failed records with any number of attempts are purged. Returns the
-- page's last id (NULL at the end), and for each status how many records of the page are purged. A dry run counts the
-- same rows but deletes none. `spared_ids`: failed records that are not purged, because a reset would come first. The
-- records of `page` are in the order of their ids, so `doomed` locks them in this order.
WITH page AS MATERIALIZED (
    SELECT id, status, completed_at, updated_at, retry_count FROM public.processing_queue
    WHERE id > %(after_id)s ORDER BY id LIMIT %(limit)s
), doomed AS MATERIALIZED (
    SELECT found.id, found.status FROM page CROSS JOIN LATERAL (
        -- Checks each row again, because it may have changed since the page was read. A changed row is not purged: its
        -- updated_at differs from the old value, which `page` keeps.
        SELECT q.id, q.status FROM public.processing_queue q
        WHERE q.id = page.id AND q.updated_at = page.updated_at AND q.status = page.status
        FOR UPDATE SKIP LOCKED
    ) found
    WHERE (
        page.status = 'completed' AND page.completed_at < now() - make_interval(secs => %(completed_seconds)s)
        OR page.status = 'cancelled' AND page.updated_at < now() - make_interval(secs => %(cancelled_seconds)s)
        OR page.status = 'failed' AND (
            page.updated_at < now() - make_interval(secs => %(failed_seconds)s)
                AND page.retry_count >= %(failed_minimum_retries)s
            OR %(any_failed_seconds)s > 0
                AND page.updated_at < now() - make_interval(secs => %(any_failed_seconds)s))
            AND page.id <> ALL(%(spared_ids)s::bigint[]))
), deleted AS (
    DELETE FROM public.processing_queue q WHERE q.id = ANY(ARRAY(SELECT id FROM doomed)) AND NOT %(dry_run)s
)
SELECT (SELECT max(id) FROM page), count(*) FILTER (WHERE status = 'completed'),
    count(*) FILTER (WHERE status = 'failed'), count(*) FILTER (WHERE status = 'cancelled')
FROM doomed
