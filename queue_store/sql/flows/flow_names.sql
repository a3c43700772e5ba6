SELECT flow_name FROM known_flows() ORDER BY flow_name
