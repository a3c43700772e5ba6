"""One run of a flow in one worker process, from the first claim to the last written outcome."""
