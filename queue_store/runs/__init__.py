"""A run: it claims pending records, and writes their outcomes with statements that check the fence."""
