-- Measured with a heartbeat now and then; above 0 the host's clock is ahead. NULL: not measured yet.
ALTER TABLE worker_processes ADD COLUMN clock_skew_seconds real;
