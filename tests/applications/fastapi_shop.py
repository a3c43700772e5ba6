"""A shop with FastAPI and asynchronous SQLAlchemy: `uvicorn tests.applications.fastapi_shop:app`."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

from processing_queue import (
    DatabaseManager,
    QueueStoreError,
    aenqueue,
    wait_for_async,
)
from tests.applications.shop_errors import status_code
from tests.applications.shop_models import Order

database = DatabaseManager()
engine = create_async_engine(database.engine.url)
sessions = async_sessionmaker(engine)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    yield
    await engine.dispose()
    database.dispose()


app = FastAPI(lifespan=lifespan)


class NewOrder(BaseModel):
    note: str = ""


@app.put("/orders/{number}", status_code=202)
async def place_order(number: int, order: NewOrder) -> dict[str, int]:
    async with sessions.begin() as session:
        session.add(Order(number=number))
        record = await aenqueue(session, "send_invoice", {"order": number, "note": order.note})
    return {"record": record.id}


@app.get("/records/{record_id}")
async def outcome(record_id: int) -> dict[str, object]:
    record = await wait_for_async(database, record_id, timeout_seconds=30)
    return {"status": record.status, "result": record.result}


@app.exception_handler(QueueStoreError)
async def queue_error(request: Request, error: QueueStoreError) -> JSONResponse:
    return JSONResponse({"problem": str(error)}, status_code(error))


@app.exception_handler(IntegrityError)
async def known_order(request: Request, error: IntegrityError) -> JSONResponse:
    return JSONResponse({"problem": "there is an order of this number"}, 409)
