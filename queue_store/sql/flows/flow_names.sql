SELECT flow_name FROM public.known_flows() ORDER BY flow_name
