-- A frozen process' open transaction keeps its locks and would block the new owner.
SELECT pg_terminate_backend(%(backend_pid)s, %(timeout_milliseconds)s)
