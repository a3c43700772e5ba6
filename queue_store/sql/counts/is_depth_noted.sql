SELECT EXISTS (SELECT FROM depth_minutes WHERE minute = date_trunc('minute', now()))
