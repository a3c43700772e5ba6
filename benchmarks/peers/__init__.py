"""Other systems. Each system runs as its documentation recommends for speed. Celery runs in the environment of the
benchmarks, and the others have environments of their own.

A driver is a script with these commands. `fill COUNT` inserts jobs, and prints how long that took. `work` processes
jobs until no job is left or until it is asked to end. Then it prints the times of its first and its last job. For
Celery, a Celery worker processes the jobs, and `work` only prints the times of the first and the last job. A driver for
comparisons of latency has two more commands. `listen` works like `work`, but waits for new jobs, and also prints how
long the jobs waited. `produce COUNT` inserts one job after another. Each job contains the time just before its COMMIT.
"""
