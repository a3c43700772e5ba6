"""A Django project in a process of its own: `python -m tests.durable_tasks.django_shop`. Prints "done"."""

import os
from typing import Any

import django
import psycopg
from django.conf import settings
from django.db import connections, transaction
from sqlalchemy.engine import make_url

from tasks.celery import DurableCelery, NotDurableError

url = make_url(os.environ["DATABASE_URL"])
postgres = {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": url.database,
    "HOST": url.query.get("host") or url.host or "",
    "PORT": str(url.query.get("port") or url.port or ""),
    "USER": url.username or "",
    "PASSWORD": url.password or "",
}
light = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
settings.configure(DATABASES={"default": postgres, "light": light}, USE_TZ=True)
django.setup()

app = DurableCelery("shop", broker="memory://", transaction="django:default")
ran: list[int] = []
hinted: list[str] = []


class Hints:
    def send(self, flow_name: str, celery_queue: str, slot: int = 0) -> bool:
        hinted.append(flow_name)
        return True


vars(app)["hints"] = Hints()


@app.task(name="shop.send")
def send(order: int) -> None:
    ran.append(order)


def records() -> list[Any]:
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        rows = connection.execute("SELECT payload->'args'->0 FROM processing_queue ORDER BY id")
        return [row[0] for row in rows.fetchall()]


def rolled_back_and_committed() -> None:
    try:
        with transaction.atomic():
            send.delay(1)
            raise LookupError
    except LookupError:
        pass
    assert (records(), hinted) == ([], [])
    with transaction.atomic():
        send.delay(2)
        send.delay_on_commit(3)
        assert (records(), hinted) == ([], [])
    assert (records(), hinted) == ([2, 3], ["shop.send", "shop.send"])


def outside() -> None:
    send.delay(4)
    assert records() == [2, 3, 4]
    connections["default"].set_autocommit(False)
    send.delay(5)
    connections["default"].rollback()
    connections["default"].set_autocommit(True)
    assert records() == [2, 3, 4]


def eagerly() -> None:
    app.conf.task_always_eager = True
    with transaction.atomic():
        send.delay_on_commit(6)
        assert ran == []
    assert ran == [6]
    app.conf.task_always_eager = False


def another_database() -> None:
    other = DurableCelery("office", transaction="django:light", set_as_current=False)

    @other.task(name="office.send")
    def send_elsewhere() -> None: ...

    try:
        send_elsewhere.delay()
    except NotDurableError as error:
        assert "is sqlite" in str(error)  # noqa: PT017  (no test of pytest)
    else:
        raise AssertionError


rolled_back_and_committed()
outside()
eagerly()
another_database()
connections.close_all()
app.database.dispose()
print("done")  # noqa: T201
