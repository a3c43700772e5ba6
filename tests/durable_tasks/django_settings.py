"""The settings of the Django project `shop_with_django`, whose database is the one in DATABASE_URL."""

import os

from tests.support.django_site import database_settings

DATABASES = {"default": database_settings(os.environ["DATABASE_URL"])}
SECRET_KEY = "tests"
USE_TZ = True
