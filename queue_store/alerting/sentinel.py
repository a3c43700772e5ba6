"""Whether another process is the sentinel, the worker process that checks the queue all the time."""

import os
import socket
from typing import Any

from psycopg import Cursor

from queue_store.database.statements import sql


def is_another_process(cursor: Cursor[Any]) -> bool:
    """Returns whether the sentinel is a living process other than this one."""
    parameters = {"hostname": socket.gethostname(), "pid": os.getpid()}
    return cursor.execute(sql("alerting/other_sentinel"), parameters).fetchone() is not None
