"""The embedded servers that this environment needs because its settings name no other servers."""

import shlex
from collections.abc import Mapping
from pathlib import Path

import psycopg

from queue_store.database.creation import create_database_if_missing
from queue_store.errors import SettingsError
from queue_store.settings import environment_name

from .errors import EmbeddedServerError
from .postgres import EmbeddedPostgres
from .redis import EmbeddedRedis

DATABASE = "rpa_db"
EMBEDDED_ENVIRONMENT = "DEVELOPMENT"


class EmbeddedServers:
    """Starts Postgres if no database URL is configured, and Redis if no broker URL is configured."""

    def __init__(self, directory: Path, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._directory = directory
        self.environment_file = directory / "environment"
        missing = missing_urls(environ)
        if missing and environment_name(environ) != EMBEDDED_ENVIRONMENT:
            raise SettingsError(
                [f"{name} is missing: embedded servers are for development only" for name in missing]
            )
        self.postgres = EmbeddedPostgres(directory) if "DATABASE_URL" in missing else None
        self.redis = EmbeddedRedis(directory) if "CELERY_BROKER_URL" in missing else None

    def start(self) -> dict[str, str]:
        """Start the servers that are missing. Returns settings that name the URLs of these servers, and writes the
        same settings into `environment_file`."""
        settings: dict[str, str] = {}
        if self.postgres is not None:
            self.postgres.start()
            _create_database(self.postgres)
            settings["DATABASE_URL"] = self.postgres.url(DATABASE)
        if self.redis is not None:
            self.redis.start()
            settings["CELERY_BROKER_URL"] = self.redis.url()
        self._write_environment_file(settings)
        return settings

    def restart_if_ended(self) -> list[str]:
        """Restart the servers that have ended. Returns a message for each restart. Raises EmbeddedServerError if a
        server does not come back."""
        happened: list[str] = []
        if self.postgres is not None and self.postgres.process.poll() is not None:
            self.postgres.start()
            happened.append(f"Postgres ended and was started again; its log is {self.postgres.log}")
        if self.redis is not None and self.redis.process.poll() is not None:
            port = self.redis.port
            self.redis.start()
            if self.redis.port != port:
                raise EmbeddedServerError(f"Redis ended and its port {port} is taken. Start this again.")
            happened.append(f"Redis ended and was started again; its log is {self.redis.log}")
        return happened

    def stop(self) -> None:
        self.environment_file.unlink(missing_ok=True)
        for server in (self.redis, self.postgres):
            if server is not None:
                server.stop()

    def _write_environment_file(self, settings: Mapping[str, str]) -> None:
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in settings.items()]
        self.environment_file.unlink(missing_ok=True)
        # Only the owner may read the file, because it contains the broker's password.
        self.environment_file.touch(mode=0o600, exist_ok=False)
        self.environment_file.write_text("".join(lines))


def missing_urls(environ: Mapping[str, str]) -> list[str]:
    database_url = f"{environment_name(environ)}_GLOBAL_{DATABASE.upper()}_URL"
    missing: list[str] = []
    if not environ.get("DATABASE_URL") and not environ.get(database_url):
        missing.append("DATABASE_URL")
    if not environ.get("CELERY_BROKER_URL"):
        missing.append("CELERY_BROKER_URL")
    return missing


def _create_database(server: EmbeddedPostgres) -> None:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        create_database_if_missing(connection, DATABASE)
