"""`manage.py check` finds what would make tasks fail. Unknown options are refused at the start, with a message."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from tests.support.django_site import database_settings
from tests.support.flow_runs import Worker

OF_ANOTHER = (
    'TASKS["other"]["OPTIONS"]["flows"] names tests.django.shop.tasks.add, which is declared for the backend '
    '"default": its options belong in TASKS["default"]'
)


def messages_of(check: Any, *arguments: Any, **options: Any) -> dict[str, str]:
    return {message.id: str(message.msg) for message in check(*arguments, **options)}


def test_all_is_well(site: None, task_worker: Worker) -> None:
    from django.core.management import call_command

    call_command("check", databases=["default"], fail_level="WARNING")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"databse": "default"},
            r'TASKS\["other"\]\["OPTIONS"\] has no option databse; did you mean database',
        ),
        ({"flow": {"max_retry": 1}}, "has no option max_retry; did you mean max_retries"),
        ({"flows": {"shop.x": {"failed": print}}}, "has no option failed; there are batch_size"),
    ],
)
def test_an_unknown_option_is_refused(site: None, options: dict[str, Any], sentence: str) -> None:
    from tasks.django.backend import ProcessingQueueBackend
    from tasks.django.task_library import InvalidTaskBackend

    with pytest.raises(InvalidTaskBackend, match=sentence):
        ProcessingQueueBackend("other", {"OPTIONS": options})


def test_a_database_that_is_not_named(site: None) -> None:
    from tasks.django.backend import ProcessingQueueBackend

    backend = ProcessingQueueBackend("default", {"OPTIONS": {"database": "queue"}})
    assert messages_of(backend.check) == {
        "processing_queue.E001": 'TASKS["default"] writes to the database "queue", which DATABASES does not name.'
    }


def test_a_database_that_is_not_postgres(site: None, tmp_path: Path) -> None:
    from django.db import connections

    from tasks.django.backend import ProcessingQueueBackend

    connections.settings["file"] = {
        **connections.settings["default"],
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(tmp_path / "db"),
    }
    try:
        backend = ProcessingQueueBackend("default", {"OPTIONS": {"database": "file"}})
        assert list(messages_of(backend.check)) == ["processing_queue.E002"]
    finally:
        del connections.settings["file"]


def test_psycopg2(site: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db.backends.postgresql import psycopg_any

    from tasks.django.backend import ProcessingQueueBackend

    with monkeypatch.context() as patched:
        patched.setattr(psycopg_any, "is_psycopg3", False)
        assert list(messages_of(ProcessingQueueBackend("default", {}).check)) == ["processing_queue.E003"]


def test_a_hint_sender_that_cannot_be_imported(site: None) -> None:
    from tasks.django.backend import ProcessingQueueBackend

    backend = ProcessingQueueBackend("default", {"OPTIONS": {"hint_sender": "shop.hints.sendr"}})
    found = messages_of(backend.check)
    assert list(found) == ["processing_queue.E004"]
    assert 'TASKS["default"]["OPTIONS"]["hint_sender"]' in found["processing_queue.E004"]


def test_options_of_a_task_that_does_not_exist(shop: Any) -> None:
    from tasks.django.backend import ProcessingQueueBackend

    flows = {f"tests.django.shop.tasks.{name}": {"max_retries": 0} for name in ("add", "ad")}
    backend = ProcessingQueueBackend("default", {"OPTIONS": {"flows": flows}})
    assert messages_of(backend.check) == {
        "processing_queue.E005": 'TASKS["default"]["OPTIONS"]["flows"] names tests.django.shop.tasks.ad, which is no '
        "declared task; did you mean tests.django.shop.tasks.add?"
    }


def test_workers_refuse_options_of_a_task_that_does_not_exist(
    shop: Any, task_worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from processing_queue.django.flows import declare_tasks
    from tasks.exceptions import FlowDeclarationError

    backend = shop.add.get_backend()
    flows = {**backend.flow_settings.flows, "tests.django.shop.tasks.ad": {"max_retries": 0}}
    monkeypatch.setattr(backend, "flow_settings", replace(backend.flow_settings, flows=flows))
    with pytest.raises(
        FlowDeclarationError, match=r"names tests\.django\.shop\.tasks\.ad, which is no declared task"
    ):
        declare_tasks()


def with_key(shop: Any, monkeypatch: pytest.MonkeyPatch, key: str) -> Any:
    """The backend `default`, whose option `flows` has one more key."""
    from dataclasses import replace

    backend = shop.add.get_backend()
    flows = {**backend.flow_settings.flows, key: {"max_retries": 0}}
    monkeypatch.setattr(backend, "flow_settings", replace(backend.flow_settings, flows=flows))
    return backend


def test_a_key_may_name_a_task_of_a_module_that_nothing_else_imports(
    shop: Any, task_worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check and the workers import the same modules."""
    from processing_queue.django.flows import declare_tasks

    with_key(shop, monkeypatch, "tests.django.shop.jobs.send")
    assert "tests.django.shop.jobs.send" in declare_tasks()


def test_the_cause_of_an_import_that_failed_is_told(
    shop: Any, task_worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    from processing_queue.django.flows import declare_tasks
    from tasks.exceptions import FlowDeclarationError

    backend = with_key(shop, monkeypatch, "tests.django.no_shop.send")
    sentence = "tests.django.no_shop cannot be imported: No module named 'tests.django.no_shop'"
    assert sentence in messages_of(backend.check)["processing_queue.E005"]
    with pytest.raises(FlowDeclarationError, match=sentence):
        declare_tasks()


def test_options_of_a_task_of_another_backend(shop: Any, task_worker: Worker) -> None:
    """The options of a task's flow are those of the backend for which the task is declared."""
    from tasks.django.backend import ProcessingQueueBackend

    applied = shop.add.get_backend().flow_settings.flow_options(shop.add.module_path)
    for changed, expected in (
        (applied, {}),
        (applied | {"max_retries": 7}, {"processing_queue.E005": OF_ANOTHER}),
    ):
        other = ProcessingQueueBackend("other", {"OPTIONS": {"flows": {shop.add.module_path: changed}}})
        assert messages_of(other.check) == expected


def at(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Points Django's database alias `default` to the URL."""
    from django.db import connections

    monkeypatch.setitem(
        connections.settings, "default", connections.settings["default"] | database_settings(url)
    )
    connections["default"].close()
    del connections["default"]


def test_a_schema_that_is_not_migrated(
    site: None, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import connections

    from tasks.django.checks import check_databases

    at(empty_database_url, monkeypatch)
    found = messages_of(check_databases, databases=["default"])
    del connections["default"]
    assert list(found) == ["processing_queue.W001"]
    assert "run `queuectl migrate`" in found["processing_queue.W001"]


def test_workers_that_use_another_database(
    site: None, own_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.django.checks import check_databases

    assert messages_of(check_databases, databases=["default"]) == {}
    monkeypatch.setenv("DATABASE_URL", own_database_url)
    assert list(messages_of(check_databases, databases=["default"])) == ["processing_queue.W002"]
    assert messages_of(check_databases, databases=[]) == {}


def test_the_database_url_tells_what_django_tells_libpq(site: None, clean_database_url: str) -> None:
    from django.db import connections

    from tasks.django.database import database_url

    options = connections.settings["default"]["OPTIONS"]
    options["sslmode"] = "prefer"
    try:
        url = database_url("default")
    finally:
        del options["sslmode"]
    assert url.database == make_url(clean_database_url).database
    assert url.query["sslmode"] == "prefer"


def test_queuectl_through_manage_py(
    shop: Any, task_worker: Worker, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.core.management import ManagementUtility

    monkeypatch.setenv("DEVELOPMENT_DISTRIBUTED_PROCESSOR_FLOW_MODULES", "")
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.setattr("sys.argv", ["manage.py"])
    result = shop.add.enqueue(1)
    with pytest.raises(SystemExit) as exit_of:
        ManagementUtility(["manage.py", "queuectl", "show", result.id, "--json"]).execute()
    assert exit_of.value.code in (0, None)
    assert "tests.django.shop.tasks.add" in capsys.readouterr().out
