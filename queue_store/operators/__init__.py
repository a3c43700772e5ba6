"""The operators' actions: reset, cancel, purge, pause, stop; dry runs and backups."""
