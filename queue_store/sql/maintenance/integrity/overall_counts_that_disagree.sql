-- Minutes whose overall count (rollup_overall) is not the sum of the counts of single flows (rollup_minutes).
-- A trigger keeps the two equal. So a difference means that somebody disabled the trigger or wrote to rollup_overall.
SELECT format('minute %%s: %%s by the counts of the single flows, %%s by the count of all flows',
        to_char(minute AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), coalesce(m.counted, 0), coalesce(o.counted, 0)) AS problem,
    NULL::bigint AS record_id
FROM (
    SELECT minute, sum(enqueued + completed + failed + retried + cancelled) AS counted
    FROM public.rollup_minutes GROUP BY minute) m
FULL JOIN (
    SELECT minute, enqueued + completed + failed + retried + cancelled AS counted FROM public.rollup_overall) o
    USING (minute)
WHERE coalesce(m.counted, 0) <> coalesce(o.counted, 0)
ORDER BY minute
LIMIT 100
