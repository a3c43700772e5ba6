"""Other systems. Each has its own environment, and runs as its documentation recommends for speed.

A driver is a script with these commands. `fill COUNT` inserts jobs, and prints how long that took. `work` processes
jobs until no job is left or until it is asked to end. Then it prints the times of its first and its last job, and how
long jobs waited. Two more commands exist if latency is compared. `listen` works like `work`, but waits for new
jobs. `produce COUNT` inserts one job after the other. Each job contains the time just before its COMMIT.
"""
