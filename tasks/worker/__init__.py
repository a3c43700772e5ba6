"""One worker process: its services, shared slots, time limits and memory."""
