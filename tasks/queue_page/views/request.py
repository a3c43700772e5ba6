"""One request for a view."""

from dataclasses import dataclass
from typing import Any

from psycopg import Cursor

from queue_store.settings import ProcessorSettings

from ..arguments import Arguments


@dataclass(frozen=True, slots=True)
class ViewRequest:
    """The input of a view: the cursor that it reads with, the settings, the browser's arguments, and the Celery
    application."""

    cursor: Cursor[Any]
    settings: ProcessorSettings
    arguments: Arguments
    celery_app: Any
