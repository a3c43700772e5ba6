"""A run: it claims pending records and writes what became of them, behind the fence."""
