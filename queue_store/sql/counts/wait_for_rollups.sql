SELECT 1 FROM public.rollup_progress FOR NO KEY UPDATE
