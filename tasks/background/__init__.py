"""Threads and signal handlers that work alongside the run loop: heartbeat, idle poll, sentinel, recycling."""
