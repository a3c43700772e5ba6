"""Threads and signals next to the run loop: heartbeat, idle poll, watch, recycling."""
