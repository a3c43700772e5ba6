"""The settings of a Django project whose connections come from a pool of one connection."""

from tests.durable_tasks.django_settings import DATABASES as _DATABASES, SECRET_KEY, USE_TZ

DATABASES = {"default": _DATABASES["default"] | {"OPTIONS": {"pool": {"min_size": 1, "max_size": 1}}}}

__all__ = ["DATABASES", "SECRET_KEY", "USE_TZ"]
