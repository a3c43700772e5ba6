-- Only one process at a time opens, updates and resolves alerts.
LOCK TABLE public.alerts IN SHARE ROW EXCLUSIVE MODE
