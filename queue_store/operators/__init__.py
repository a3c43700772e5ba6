"""What operators do: reset, cancel, purge, pause, stop; dry runs and backups."""
