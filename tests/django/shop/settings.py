"""The settings of the application, whose database is the one in DATABASE_URL."""

import os

import django
from celery.schedules import crontab

from tests.support.django_site import database_settings

BACKEND = "processing_queue.django.ProcessingQueueBackend"
DATABASES = {
    alias: database_settings(os.environ["DATABASE_URL"], test_name=os.environ.get("DJANGO_TEST_DATABASE"))
    for alias in ("default", "other")
}
TASKS = {
    "default": {
        "BACKEND": BACKEND,
        "QUEUES": ["default", "urgent"],
        "OPTIONS": {
            "flow": {"max_retries": 1},
            "flows": {
                "tests.django.shop.tasks.fail_for_good": {"max_retries": 0},
                "tests.django.shop.tasks.close_the_day": {"schedule": crontab(minute="0", hour="3")},
            },
            "page_url": "https://flower.example.net/queue",
        },
    }
}
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.admin",
    "django.contrib.staticfiles",
    "processing_queue.django",
    "tests.django.shop",
    *([] if django.VERSION[0] >= 6 else ["django_tasks"]),
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
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
]
ROOT_URLCONF = "tests.django.shop.urls"
TEST_RUNNER = "processing_queue.django.testing.QueueTestRunner"
STATIC_URL = "static/"
ALLOWED_HOSTS = ["*"]
SECRET_KEY = "tests"
USE_TZ = True
