"""Recognises SQLAlchemy's objects without importing SQLAlchemy.

Importing SQLAlchemy costs more CPU than everything else that a worker does at its start. As long as nobody has
imported SQLAlchemy, none of its objects can exist.
"""

import sys
from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_scoped_session
    from sqlalchemy.orm import Session, scoped_session

CORE = "sqlalchemy.engine"
ORM = "sqlalchemy.orm"
ASYNC = "sqlalchemy.ext.asyncio"


def is_connection(thing: object) -> "TypeGuard[Connection]":
    return isinstance(thing, known_kinds(CORE, "Connection"))


def is_session(thing: object) -> "TypeGuard[Session]":
    return isinstance(thing, known_kinds(ORM, "Session"))


def is_scoped_session(thing: object) -> "TypeGuard[scoped_session[Any]]":
    return isinstance(thing, known_kinds(ORM, "scoped_session"))


def is_async_session(thing: object) -> "TypeGuard[AsyncSession]":
    return isinstance(thing, known_kinds(ASYNC, "AsyncSession"))


def is_async_scoped_session(thing: object) -> "TypeGuard[async_scoped_session[Any]]":
    return isinstance(thing, known_kinds(ASYNC, "async_scoped_session"))


def is_async_connection(thing: object) -> "TypeGuard[AsyncConnection]":
    return isinstance(thing, known_kinds(ASYNC, "AsyncConnection"))


def is_kind(kind: object, module: str, name: str) -> bool:
    """Whether `kind` is the class called `name` in `module`."""
    return any(kind is known for known in known_kinds(module, name))


def known_kinds(module: str, name: str) -> tuple[type[Any], ...]:
    """Returns a tuple of one class. Returns an empty tuple if the class's module is not imported, or if another thread
    is still importing the module."""
    kind = getattr(sys.modules.get(module), name, None)
    return () if kind is None else (kind,)
