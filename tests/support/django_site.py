"""Configures Django in the tests' own process, which is possible only once."""

from typing import Any

import pytest
from sqlalchemy.engine import make_url


def configure_django(url: str) -> None:
    """Configures the application `tests.django.shop` on this database. A later call only changes which database Django
    uses. Restores the environment afterwards: if DJANGO_SETTINGS_MODULE stayed there, Celery would configure Django in
    every child process."""
    import django
    from django.db import connections

    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DJANGO_SETTINGS_MODULE", "tests.django.shop.settings")
        environment.setenv("DATABASE_URL", url)
        django.setup()
    connections.close_all()
    for alias in connections:
        connections.settings[alias] |= database_settings(url)
        if connections[alias]:
            del connections[alias]


def database_settings(url: str, test_name: str | None = None) -> dict[str, Any]:
    """Returns an entry for DATABASES."""
    parsed = make_url(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parsed.database,
        "HOST": parsed.query.get("host") or parsed.host or "",
        "PORT": str(parsed.query.get("port") or parsed.port or ""),
        "USER": parsed.username or "",
        "PASSWORD": parsed.password or "",
        **({"TEST": {"NAME": test_name}} if test_name else {}),
    }
