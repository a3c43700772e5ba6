SELECT EXISTS (SELECT FROM public.depth_minutes WHERE minute = date_trunc('minute', now()))
