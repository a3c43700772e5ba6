"""The troubles, grouped by the part that fails. Each module registers its own troubles."""

from tests.drill.troubles import broker, database, integrity, operators, records, schedule, workers

__all__ = ["broker", "database", "integrity", "operators", "records", "schedule", "workers"]
