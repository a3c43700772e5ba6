"""What can be read of the queue, typed: one statement each, none of which scans history."""
