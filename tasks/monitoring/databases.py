"""The databases that monitoring reads, one manager for each in a process."""

from queue_store.database_manager import DatabaseManager
from queue_store.settings import DEFAULT_DATABASE, DatabaseSettings, load_database_settings

_managers: dict[tuple[str, DatabaseSettings], DatabaseManager] = {}


def database_named(name: str = DEFAULT_DATABASE) -> DatabaseManager:
    """Raises SettingsError for a database that is not configured."""
    settings = load_database_settings(name)
    key = (name, settings)
    if key not in _managers:
        _managers[key] = DatabaseManager(name, settings, application_name="monitoring")
    return _managers[key]
