"""The workloads. Each workload has a file of its own."""
