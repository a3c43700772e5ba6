"""The parts of one worker process: its services, shared slots, time limits and memory limit."""
