"""The workloads, one in each file."""
