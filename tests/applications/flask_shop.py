"""The shop of fastapi_shop.py, with Flask and synchronous SQLAlchemy:
`flask --app tests.applications.flask_shop run`."""

import os
from typing import Any

from celery import Celery
from flask import Flask, request
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import sessionmaker

from processing_queue import (
    CeleryHintSender,
    DatabaseManager,
    QueueStoreError,
    enqueue,
    wait_for,
)
from tests.applications.shop_errors import status_code
from tests.applications.shop_models import Order

app = Flask(__name__)
database = DatabaseManager()
sessions = sessionmaker(database.engine)
hints = CeleryHintSender(Celery(broker=os.environ["CELERY_BROKER_URL"]))
Answer = tuple[dict[str, Any], int]


@app.put("/orders/<int:number>")
def place_order(number: int) -> Answer:
    note = request.get_json().get("note", "")
    with sessions.begin() as session:
        session.add(Order(number=number))
        record = enqueue(session, "send_invoice", {"order": number, "note": note}, hint_sender=hints)
    return {"record": record.id}, 202


@app.get("/records/<int:record_id>")
def outcome(record_id: int) -> Answer:
    record = wait_for(database, record_id, timeout_seconds=30)
    return {"status": record.status, "result": record.result}, 200


@app.errorhandler(QueueStoreError)
def queue_error(error: QueueStoreError) -> Answer:
    return {"problem": str(error)}, status_code(error)


@app.errorhandler(IntegrityError)
def known_order(error: IntegrityError) -> Answer:
    return {"problem": "there is an order of this number"}, 409
