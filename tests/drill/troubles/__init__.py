"""The troubles, by the part that fails. Each module registers its own."""

from tests.drill.troubles import broker, database, integrity, operators, records, schedule, workers

__all__ = ["broker", "database", "integrity", "operators", "records", "schedule", "workers"]
