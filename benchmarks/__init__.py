"""What this system costs and how fast it is: `make bench`, `make bench FULL=1`."""
