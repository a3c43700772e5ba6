"""Real logins with real connections. Tests execute statements as a login, instead of reading the login's rights from
the catalogue."""

from typing import Any

import psycopg
from sqlalchemy.engine import make_url

from queue_store.database import roles
from queue_store.database.manager import DatabaseManager
from queue_store.queue_schema import role_name
from tests.support.servers import connect
from tests.support.store import Store

NOBODY = "test_nobody"


class Logins:
    """Creates logins, and connects with them. The login `nobody` may only connect and create temporary tables."""

    def __init__(self, store: Store, url: str) -> None:
        self.store = store
        self._url = make_url(url)
        self._managers: list[DatabaseManager] = []
        self._connections: list[psycopg.Connection] = []

    def grant(self) -> None:
        roles.grant_roles(self.store.database)

    def create(self, name: str, *granted: str) -> str:
        self.store.execute(
            f"DO $$ BEGIN CREATE ROLE {name} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        )
        for role in granted:
            self.store.execute(f"GRANT {role_name(role)} TO {name}")
        return name

    def url(self, name: str, *granted: str) -> str:
        return self._url.set(username=self.create(name, *granted)).render_as_string(hide_password=False)

    def connect(self, name: str, *granted: str) -> psycopg.Connection:
        connection = psycopg.connect(self.url(name, *granted), autocommit=True)
        self._connections.append(connection)
        return connection

    def manager(self, name: str, *granted: str) -> DatabaseManager:
        manager = connect(self.url(name, *granted))
        self._managers.append(manager)
        return manager

    def nobody(self) -> psycopg.Connection:
        return self.connect(NOBODY)

    def close(self) -> None:
        for connection in self._connections:
            connection.close()
        for manager in self._managers:
            manager.dispose()


def value(connection: psycopg.Connection, statement: str, parameters: Any = None) -> Any:
    row = connection.execute(statement.encode(), parameters).fetchone()
    return row[0] if row else None
