"""Checks whether the schema of a database is up to date. This module uses psycopg alone, because importing SQLAlchemy
costs more than the query."""

import psycopg

from queue_store.database.statements import sql
from queue_store.database.versions import latest_version, mark
from queue_store.errors import SettingsError
from queue_store.settings import database_url_text

CONNECT_TIMEOUT_SECONDS = 5
SCHEMES = ("postgresql://", "postgresql+psycopg://")


def has_nothing_to_migrate() -> bool:
    """Returns False in every case of doubt, such as a failed connection. If this function returns False, `queuectl
    migrate` continues, and reports what is wrong."""
    scheme = next((known for known in SCHEMES if database_url_text().startswith(known)), None)
    if scheme is None:
        return False
    url = SCHEMES[0] + database_url_text().removeprefix(scheme)
    expected = {"version": latest_version(), "mark": mark()}
    try:
        with psycopg.connect(url, connect_timeout=CONNECT_TIMEOUT_SECONDS) as connection:
            return connection.execute(sql("migration/is_up_to_date"), expected).fetchall() == [(True,)]
    except (psycopg.Error, SettingsError):
        return False
