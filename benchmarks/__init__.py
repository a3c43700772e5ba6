"""Measures the speed and the cost of this system: `make bench`, `make bench FULL=1`."""
