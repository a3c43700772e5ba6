"""Threads and signals next to the run loop: heartbeat, idle poll, sentinel, recycling."""
