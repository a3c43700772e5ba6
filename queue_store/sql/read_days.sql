-- Records that came in and went out, by full day, oldest first.
SELECT date_trunc('day', hour, 'UTC') AS day, sum(enqueued)::bigint AS enqueued, sum(completed + failed)::bigint AS outcomes
FROM rollup_hours
WHERE hour >= date_trunc('day', now(), 'UTC') - make_interval(days => %(days)s) AND hour < date_trunc('day', now(), 'UTC')
GROUP BY 1
ORDER BY 1
