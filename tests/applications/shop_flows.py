"""The flow of a shop adds an invoice for each order, in the transaction that completes the record."""

from typing import Any

from sqlalchemy.orm import Session

from processing_queue import flow
from tests.applications.shop_models import Invoice


@flow(max_retries=0)
def send_invoice(payload: dict[str, Any], session: Session) -> dict[str, int]:
    session.add(Invoice(number=payload["order"], note=payload.get("note", "")))
    return {"invoice": payload["order"]}
