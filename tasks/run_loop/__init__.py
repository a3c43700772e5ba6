"""From a claim to written outcomes: one run of a flow in one worker process."""
