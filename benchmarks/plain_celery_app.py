"""A Celery application with only one task. `make bench-start` compares our application with this one."""

import os

from celery import Celery

app = Celery("plain", broker=os.environ["CELERY_BROKER_URL"])


@app.task(name="add")
def add(x: int, y: int) -> int:
    return x + y
