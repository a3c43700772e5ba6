INSERT INTO public.connection_checks (attempt_count, success_count, response_time_ms)
VALUES (%(attempt_count)s, %(success_count)s, %(response_time_ms)s)
