"""Other systems. Each has an environment of its own, and runs as its documentation recommends for speed.

A driver is a script with these commands. `fill COUNT` inserts jobs and prints how long that took. `work` processes
jobs until none is left or until it is asked to end. Then it prints the instants of its first and its last job, and
how long jobs waited. If latency is compared, `listen` works in the same way and waits for new jobs. `produce COUNT`
inserts one job after the other, each with the instant before its COMMIT.
"""
