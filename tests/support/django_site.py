"""Django in the tests' own process: it can be configured once."""

from typing import Any

from sqlalchemy.engine import URL, make_url

BACKEND = "processing_queue.django.ProcessingQueueBackend"
TASKS = {
    "default": {
        "BACKEND": BACKEND,
        "QUEUES": ["default", "urgent"],
        "OPTIONS": {
            "flow": {"max_retries": 1},
            "flows": {"tests.django.shop.tasks.fail_for_good": {"max_retries": 0}},
            "page_url": "https://flower.example.net/queue",
        },
    }
}
APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.admin",
    "processing_queue.django",
    "tests.django.shop",
]


def configure_django(url: URL | str) -> None:
    """Settings of an application whose default database is this one. Only the database changes afterwards."""
    import django
    from django.conf import settings
    from django.db import connections

    database = database_settings(url)
    if settings.configured:
        connections.close_all()
        for alias in ("default", "other"):
            connections.settings[alias].update(database)
            if hasattr(connections._connections, alias):
                del connections[alias]
        return
    apps = APPS if django.VERSION[0] >= 6 else [*APPS, "django_tasks"]
    settings.configure(
        DATABASES={"default": database, "other": dict(database)},
        USE_TZ=True,
        SECRET_KEY="tests",
        INSTALLED_APPS=apps,
        TASKS=TASKS,
        ROOT_URLCONF="tests.django.shop.urls",
        ALLOWED_HOSTS=["*"],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
    )
    django.setup()


def database_settings(url: URL | str) -> dict[str, Any]:
    """An entry of DATABASES."""
    url = make_url(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": url.database,
        "HOST": url.query.get("host") or url.host or "",
        "PORT": str(url.query.get("port") or url.port or ""),
        "USER": url.username or "",
        "PASSWORD": url.password or "",
    }
