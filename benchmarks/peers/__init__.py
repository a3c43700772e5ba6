"""Other systems, each in an environment of its own, driven as its documentation recommends for speed.

A driver is a script with two commands: `fill COUNT` and `work`. A worker prints one line of JSON with the instants of
its first and its last job when it is asked to end, or when nothing is left.
"""
