"""The workloads. Each has a file of its own."""
