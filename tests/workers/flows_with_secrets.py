"""Flows whose errors and results contain secrets, in the forms in which secrets occur in texts."""

from typing import Any

from sqlalchemy import Connection

from tasks import flow

TEXT_SECRET = "canary-in-the-text"


def complain(payload: dict[str, Any]) -> None:
    secret = TEXT_SECRET
    try:
        raise ConnectionError(f"postgresql://shop:{secret}@db/shop refused the login")
    except ConnectionError as error:
        raise RuntimeError(f"no stock was found: password={secret} Authorization: Bearer {secret}") from error


@flow(max_retries=0)
def tells(payload: dict[str, Any]) -> None:
    complain(payload)


@flow(max_retries=0)
def tells_in_one_commit(payload: dict[str, Any], connection: Connection) -> None:
    complain(payload)


@flow(max_retries=0)
async def tells_async(payload: dict[str, Any]) -> None:
    complain(payload)


@flow
def tells_in_its_result(payload: dict[str, Any]) -> dict[str, str]:
    return {"note": "canary-in-the-result"}
