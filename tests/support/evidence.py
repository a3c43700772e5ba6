"""Writes the paragraph that says how a report in docs/evidence was made."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version

import psycopg
import redis

LIBRARIES = ("celery", "kombu", "psycopg", "redis", "SQLAlchemy")


def made_by(command: str, postgres_url: str, redis_url: str) -> str:
    with psycopg.connect(postgres_url) as connection:
        row = connection.execute("SHOW server_version").fetchone()
    with redis.Redis.from_url(redis_url) as client:
        redis_version = client.info("server")["redis_version"]  # pyright: ignore[reportIndexIssue]
    libraries = ", ".join(f"{library} {version(library)}" for library in LIBRARIES)
    load = " ".join(f"{number:.1f}" for number in os.getloadavg())
    return (
        f"Made by `{command}`, ended {datetime.now(UTC):%Y-%m-%d %H:%M} UTC: Python {platform.python_version()}, "
        f"Postgres {row[0] if row else '?'}, Redis {redis_version}, {libraries}; {os.cpu_count()} cores, "
        f"{platform.system()} {platform.release()}; load of the machine at the end, over 1, 5 and 15 minutes: {load}."
    )
