"""The versions of the schema that this code knows. Imports neither SQLAlchemy nor Alembic."""

import re
from functools import cache
from pathlib import Path

MIGRATIONS = Path(__file__).parents[1] / "migrations"
MIGRATION_FILE = re.compile(r"(\d{4}_\w+)\.py")

# The oldest code that can work on the newest schema. The value is the last migration that the oldest code knows. A
# migration that expands the schema does not change the value. If a migration contracts the schema, its author raises
# the value, and says so in the docstring of the migration. See docs/upgrading.md.
SERVES_CODE_FROM = "0001_initial"
MARK = re.compile(r"serves code from (\w+) on")

# Before the first release there were 26 migrations. Today's first migration creates the same schema as those 26
# together.
FIRST = "0001_initial"
LAST_OF_BEFORE = "0026"
MARK_OF_BEFORE = "compatible with the code of schema versions from 0009"
OF_BEFORE = re.compile(r"00(0[1-9]|1\d|2[0-6])")


# The oldest version that has the same tables and columns as the newest one. So backups of this version and of all
# later versions fit into the newest schema. The author of a migration that changes tables or columns sets this
# value to the version of that migration.
TABLES_SINCE = FIRST


def latest_version() -> str:
    return known_versions()[-1]


@cache
def known_versions() -> tuple[str, ...]:
    """Oldest first. The name of a migration's file is its version."""
    names = sorted(path.name for path in (MIGRATIONS / "versions").iterdir())
    return tuple(found[1] for name in names if (found := MIGRATION_FILE.fullmatch(name)))


def as_of_today(version: str | None) -> str | None:
    """The name that a version has in today's migrations. The last version before the first release has the same schema
    as today's first migration."""
    return FIRST if version == LAST_OF_BEFORE else version


def has_todays_tables(version: str | None) -> bool:
    """Whether a backup of this version fits into the newest schema."""
    known = known_versions()
    return as_of_today(version) in known[known.index(TABLES_SINCE) :]


def is_too_old(version: str | None) -> bool:
    """Whether this code can no longer migrate a schema of this version."""
    return version is not None and version != LAST_OF_BEFORE and OF_BEFORE.fullmatch(version) is not None


def is_known(version: str | None) -> bool:
    """Whether this code can migrate a schema of this version, or has nothing to migrate."""
    return version is None or as_of_today(version) in known_versions()


def described(version: str | None) -> str:
    """The text for a version that this code can work on. The text says whether the version is newer than this code."""
    newer = "" if version == latest_version() else ", which is newer and serves this release: nothing to do"
    return f"{version}{newer}"


def is_to_be_migrated(version: str | None) -> bool:
    return version != latest_version() and is_known(version)


def mark() -> str:
    """The mark that `migrate` writes into the database. From the mark, older code learns whether it can still work on
    the schema."""
    return MARK_OF_BEFORE if SERVES_CODE_FROM == FIRST else f"serves code from {SERVES_CODE_FROM} on"


def serves_this_code(mark: str) -> bool:
    """Whether this code can work on a newer schema with this mark."""
    found = MARK.fullmatch(mark)
    return mark == MARK_OF_BEFORE or (found is not None and found[1] in known_versions())


def served_versions() -> tuple[str, ...]:
    """The versions from SERVES_CODE_FROM on: code that knows any of them can work on the newest schema."""
    known = known_versions()
    return known[known.index(SERVES_CODE_FROM) :]
