"""A Celery application with one task and no more, which ours is compared with."""

import os

from celery import Celery

app = Celery("plain", broker=os.environ["CELERY_BROKER_URL"])


@app.task(name="add")
def add(x: int, y: int) -> int:
    return x + y
