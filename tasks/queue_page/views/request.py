"""One request for a view."""

from dataclasses import dataclass
from typing import Any

from psycopg import Cursor

from queue_store.settings import ProcessorSettings

from ..arguments import Arguments


@dataclass(frozen=True, slots=True)
class ViewRequest:
    """What a view gets: where it reads, the settings, and what the browser asked for."""

    cursor: Cursor[Any]
    settings: ProcessorSettings
    arguments: Arguments
    celery_app: Any
