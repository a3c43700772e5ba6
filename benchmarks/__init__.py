"""Measures how fast this system is and what it costs: `make bench`, `make bench FULL=1`."""
