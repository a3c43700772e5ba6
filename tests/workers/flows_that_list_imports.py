"""Two flows return the names of the packages and subpackages that their process has imported. The second of them
receives the transaction as a psycopg connection. A third flow counts the objects that garbage collection ignores."""

import gc
import sys
from typing import Any

import psycopg

from processing_queue import flow


@flow
def lists_imports(payload: dict[str, Any]) -> list[str]:
    return sorted({".".join(name.split(".")[:depth]) for name in sys.modules for depth in (1, 2)})


@flow
def lists_imports_in_a_transaction(payload: dict[str, Any], connection: psycopg.Connection[Any]) -> list[str]:
    connection.execute("SELECT 1")
    return lists_imports(payload)


@flow
def counts_frozen_objects(payload: Any) -> int:
    return gc.get_freeze_count()
