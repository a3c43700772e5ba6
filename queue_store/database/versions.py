"""The versions of the schema that this code knows. Imports neither SQLAlchemy nor Alembic."""

import re
from functools import cache
from pathlib import Path

# The oldest schema version whose code can work on the newest schema: raise it with a migration that takes something
# away, or changes what is there. `migrate` leaves it in the database for the code that is older than this.
COMPATIBLE_SINCE = "0009"
COMPATIBLE_PREFIX = "compatible with the code of schema versions from "
MIGRATIONS = Path(__file__).parents[1] / "migrations"
MIGRATION_FILE = re.compile(r"(\d{4})_\w+\.py")


def latest_version() -> str:
    return known_versions()[-1]


@cache
def known_versions() -> tuple[str, ...]:
    """Oldest first. A migration's file begins with its version."""
    names = sorted(path.name for path in (MIGRATIONS / "versions").iterdir())
    return tuple(found[1] for name in names if (found := MIGRATION_FILE.fullmatch(name)))
