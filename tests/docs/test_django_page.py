"""The example application of docs/django.md runs: its files are written as on the page, and its own tests pass."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.documents import ROOT, code_blocks
from tests.support.servers import PostgresServer

PAGE = "docs/django.md"
REST_OF_SETTINGS = """
import os
import django
from tests.support.django_site import database_settings
DATABASES = {
    "default": database_settings(os.environ["DATABASE_URL"], test_name=os.environ["DJANGO_TEST_DATABASE"])
}
USE_TZ = True
SECRET_KEY = "docs"
TEST_RUNNER = "processing_queue.django.testing.QueueTestRunner"
SILENCED_SYSTEM_CHECKS = ["admin.E403", "admin.E408", "admin.E409", "admin.E410"]
if django.VERSION < (6, 0):
    INSTALLED_APPS.append("django_tasks")
"""
MIGRATION = """
from django.db import migrations


class Migration(migrations.Migration):
    operations = [migrations.RunSQL("CREATE TABLE bookings (record_id bigint PRIMARY KEY, number bigint)")]
"""


@pytest.mark.long
def test_the_application_of_the_page(tmp_path: Path, postgres_server: PostgresServer) -> None:
    for block in code_blocks(PAGE, "python"):
        file = tmp_path / block.code.splitlines()[0].removeprefix("# ")
        file.parent.mkdir(exist_ok=True)
        file.write_text(block.code)
    with (tmp_path / "settings.py").open("a") as settings:
        settings.write(REST_OF_SETTINGS)
    (tmp_path / "shop/__init__.py").touch()
    (tmp_path / "shop/migrations").mkdir()
    (tmp_path / "shop/migrations/__init__.py").touch()
    (tmp_path / "shop/migrations/0001_bookings.py").write_text(MIGRATION)
    environment = {
        **os.environ,
        "DATABASE_URL": postgres_server.database_url("postgres"),
        "DJANGO_SETTINGS_MODULE": "settings",
        "DJANGO_TEST_DATABASE": f"django_docs_{os.getpid()}",
        "PYTHONPATH": f"{tmp_path}:{ROOT}",
    }
    done = subprocess.run(
        [sys.executable, "-m", "django", "test", "--noinput", "shop"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=110,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Ran 4 tests" in done.stderr


def test_the_tables_name_every_option() -> None:
    from dataclasses import fields

    from tasks.django.options import FLOW_OPTIONS, Options

    page = (ROOT / PAGE).read_text()
    assert [field.name for field in fields(Options) if f"| `{field.name}` |" not in page] == []
    assert [name for name in FLOW_OPTIONS if f"`{name}`" not in page] == []
