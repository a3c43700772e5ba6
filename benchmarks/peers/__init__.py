"""Other systems, each in an environment of its own, driven as its documentation recommends for speed.

A driver is a script with the commands `fill COUNT`, which prints how long the inserts took, `work`, which prints the
instants of its first and its last job and how long jobs waited when it is asked to end or when nothing is left, and
where its latency is compared `produce COUNT`: one job after the other, each with the instant before its COMMIT.
"""
