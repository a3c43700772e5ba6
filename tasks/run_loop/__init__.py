"""One run of a flow in one worker process, from its registration to the last written outcome."""
