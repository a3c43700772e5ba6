-- Bounds how many kinds of errors are kept for each flow and hour. `kinds` is a number N. If a flow has more than 2 × N
-- kinds of errors in an hour, only the N most frequent kinds are kept. All other kinds are added to the kind `other`.
-- Reads the hours since `from_hour`, the oldest hour to which the fold has just added errors.
WITH crowded AS (
    SELECT hour, flow_name FROM public.error_hours
    WHERE hour >= %(from_hour)s
    GROUP BY 1, 2 HAVING count(*) > 2 * %(kinds)s
), ranked AS (
    SELECT hour, flow_name, error_group,
        row_number() OVER (PARTITION BY hour, flow_name ORDER BY error_count DESC, error_group) AS place
    FROM public.error_hours JOIN crowded USING (hour, flow_name) WHERE error_group <> 'other'
), gone AS (
    DELETE FROM public.error_hours e USING ranked r
    WHERE r.place > %(kinds)s
        AND e.hour = r.hour AND e.flow_name = r.flow_name AND e.error_group = r.error_group
    RETURNING e.*
)
INSERT INTO public.error_hours AS h (hour, flow_name, error_group, exception_type, error_message, error_count, failed_count,
    record_count, first_at, last_at)
SELECT hour, flow_name, 'other', 'other', min(error_message), sum(error_count), sum(failed_count), sum(record_count),
    min(first_at), max(last_at)
FROM gone GROUP BY hour, flow_name
ON CONFLICT (hour, flow_name, error_group) DO UPDATE SET
    error_count = h.error_count + excluded.error_count, failed_count = h.failed_count + excluded.failed_count,
    record_count = h.record_count + excluded.record_count,
    first_at = least(h.first_at, excluded.first_at), last_at = greatest(h.last_at, excluded.last_at)
