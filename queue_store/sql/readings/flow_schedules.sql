-- The flows that have a schedule. `schedule` is a text for people, and `fields` is the schedule as JSON. A flow that
-- only workers of an older release have registered has no `fields`.
SELECT flow_name, declared ->> 'schedule' AS schedule, declared -> 'schedule_fields' AS fields
FROM public.flows
WHERE declared ->> 'schedule' IS NOT NULL
ORDER BY flow_name
