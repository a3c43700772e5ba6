-- Only one process judges at a time.
LOCK TABLE public.alerts IN SHARE ROW EXCLUSIVE MODE
