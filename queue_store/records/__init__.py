"""What a record is: its payload, its outcomes, its progress."""
