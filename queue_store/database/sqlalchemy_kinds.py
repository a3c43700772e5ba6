"""Kinds of SQLAlchemy's objects, known without importing what defines them.

Its ORM and its asyncio extension cost 0.2 s of CPU in every process. While nobody has imported them, no object of their
kinds exists.
"""

import sys
from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_scoped_session
    from sqlalchemy.orm import Session, scoped_session

ORM = "sqlalchemy.orm"
ASYNC = "sqlalchemy.ext.asyncio"


def is_session(thing: object) -> "TypeGuard[Session]":
    return isinstance(thing, _kinds(ORM, "Session"))


def is_scoped_session(thing: object) -> "TypeGuard[scoped_session[Any]]":
    return isinstance(thing, _kinds(ORM, "scoped_session"))


def is_async_session(thing: object) -> "TypeGuard[AsyncSession]":
    return isinstance(thing, _kinds(ASYNC, "AsyncSession"))


def is_async_scoped_session(thing: object) -> "TypeGuard[async_scoped_session[Any]]":
    return isinstance(thing, _kinds(ASYNC, "async_scoped_session"))


def is_async_connection(thing: object) -> "TypeGuard[AsyncConnection]":
    return isinstance(thing, _kinds(ASYNC, "AsyncConnection"))


def is_kind(kind: object, module: str, name: str) -> bool:
    """Whether this class is the one of that name in that module."""
    return any(kind is known for known in _kinds(module, name))


def _kinds(module: str, name: str) -> tuple[type, ...]:
    """None while the module is not imported, or is just being imported by another thread."""
    kind = getattr(sys.modules.get(module), name, None)
    return () if kind is None else (kind,)
