"""The parts of a record: its payload, its outcomes, its progress."""
