#!/usr/bin/env bash
# Celery 5.7.0: if the hook `on_retry` of a task raises an error, the task's state is FAILURE with the error of the
# hook, and `link_error` is called. But `retry()` has already sent the message of the next attempt. So a
# task that was reported as failed is executed again, and can still succeed.
# Exits with 1 if the behaviour has changed. The script takes a few seconds.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install -qq --disable-pip-version-check celery==5.7.0
venv/bin/python - <<'PYTHON'
from celery import Celery, Task
from celery.app.trace import build_tracer

app = Celery("shop", broker="memory://", backend="cache+memory://")
told = []


class Base(Task):
    abstract = True

    def on_retry(self, *_):
        raise RuntimeError("the service of the hook is away")


@app.task(name="shop.tell")
def tell(request, error, traceback):
    told.append(str(error))


@app.task(bind=True, base=Base, name="shop.charge")
def charge(self):
    self.retry(exc=ConnectionError("the bank is away"), countdown=0)


request = {"id": "one", "root_id": "one", "is_eager": False, "retries": 0, "errbacks": [tell.s()], "delivery_info": {}}
traced = build_tracer(charge.name, charge, app=app)("one", (), {}, request)
with app.connection_for_read() as connection:
    message = connection.SimpleQueue("celery").get(block=False)
print("state", app.AsyncResult("one").state, "link_error", told, "next attempt", message.headers["id"], message.headers["retries"])
assert traced.info.state == "FAILURE", traced
assert app.AsyncResult("one").state == "FAILURE"
assert told == ["the service of the hook is away"], told
assert (message.headers["id"], message.headers["retries"]) == ("one", 1)
PYTHON
